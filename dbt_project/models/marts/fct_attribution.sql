with conversions as (

    select * from {{ ref('int_conversions') }}

),

touches as (

    select * from {{ ref('int_conversion_touches') }}

),

weights as (

    select * from {{ ref('int_conversion_touches_weighted') }}

),

costs as (

    select * from {{ ref('fct_costs') }} where amount_native != 0

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

models as (

    select {{ explode(split_text('attribution_models', ',')) }} as model from settings

),

weighted as (

    {% for model in attribution_models() -%}
    select conversion_key, '{{ model }}' as model, touch_id, touch_order, weight_{{ model }} as weight
    from weights
    where weight_{{ model }} > 0
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Twelve decimals, and the last touch that has a share takes what rounding left: shares sum to exactly 1. Money is
-- shared in the same way, so that every model hands out the revenue to the last decimal.
shared as (

    select
        weighted.conversion_key,
        weighted.model,
        weighted.touch_id,
        weighted.touch_order = max(weighted.touch_order) over credited as is_last,
        cast(weighted.weight as decimal(18, 12)) as rounded_share,
        sum(cast(weighted.weight as decimal(18, 12))) over credited as rounded_shares
    from weighted
    inner join models on weighted.model = models.model
    window credited as (partition by weighted.conversion_key, weighted.model)

),

shares as (

    select
        conversion_key,
        model,
        touch_id,
        is_last,
        cast(rounded_share + case when is_last then 1 - rounded_shares else 0 end as decimal(18, 12)) as share
    from shared

),

-- what no touch has a share in is (unattributed), whole
credited as (

    select
        conversions.*,
        models.model,
        coalesce(shares.touch_id, '(unattributed)') as touch_id,
        coalesce(shares.is_last, true) as is_last,
        coalesce(shares.share, 1) as share,
        {{ money('cast(conversions.revenue as double) * cast(coalesce(shares.share, 1) as double)') }} as revenue_share,
        {{ money('cast(conversions.gross_margin as double) * cast(coalesce(shares.share, 1) as double)') }} as margin_share
    from conversions
    cross join models
    left join shares on conversions.conversion_key = shares.conversion_key and models.model = shares.model

),

totalled as (

    select
        *,
        sum(revenue_share) over entry_of_model as revenue_shares,
        sum(margin_share) over entry_of_model as margin_shares
    from credited
    window entry_of_model as (partition by conversion_type, entry_id, model)

),

outbound_campaigns as (

    select distinct campaign_key from costs where motion = 'outbound'

),

costed_campaigns as (

    select distinct campaign_key from costs where campaign_key != '(not set)'

),

outbound_channels as (

    select distinct channel from costs where motion = 'outbound' and channel != '(not set)'

)

select
    ---------- ids
    totalled.conversion_type,
    totalled.conversion_id,
    totalled.model,
    totalled.touch_id,
    totalled.entry,
    totalled.entry_id,
    totalled.lead_id,

    ---------- cuts: those of the touch
    {% for column in ['channel', 'source', 'medium', 'campaign_key'] -%}
    case when totalled.touch_id = '(unattributed)' then '(unattributed)' else coalesce(touches.{{ column }}, '(not set)') end
        as {{ column }},
    {% endfor %}
    ---------- dates
    touches.touched_at as touch_at,
    {{ reporting_date('touches.touched_at', 'settings.reporting_time_zone') }} as touch_date,
    totalled.conversion_at,
    totalled.conversion_date,

    ---------- credit
    case when totalled.entry = 'conversion' then totalled.share else cast(0 as decimal(18, 12)) end as credit,
    {{ money('totalled.revenue_share + case when totalled.is_last then totalled.revenue - totalled.revenue_shares else 0 end') }}
        as revenue,
    {{ money('totalled.margin_share + case when totalled.is_last then totalled.gross_margin - totalled.margin_shares else 0 end') }}
        as gross_margin,
    totalled.is_amount_known,
    totalled.is_new_customer,
    totalled.is_rate_missing,

    ---------- what the touch cost: its campaign, or its channel where nothing is known of the campaign's cost
    case
        when costed_campaigns.campaign_key is not null and outbound_campaigns.campaign_key is not null then 'outbound'
        when costed_campaigns.campaign_key is null and outbound_channels.channel is not null then 'outbound'
        else 'inbound'
    end as motion,
    totalled.model = settings.attribution_default_model as is_default_model

from totalled
cross join settings
left join touches on totalled.conversion_key = touches.conversion_key and totalled.touch_id = touches.touch_id
left join costed_campaigns on touches.campaign_key = costed_campaigns.campaign_key
left join outbound_campaigns on touches.campaign_key = outbound_campaigns.campaign_key
left join outbound_channels on touches.channel = outbound_channels.channel
