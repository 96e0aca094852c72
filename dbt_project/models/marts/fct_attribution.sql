{%- set shares, ends = [], [] %}
{%- for model in attribution_models() %}
{%- do shares.append({'model': "'" ~ model ~ "'", 'is_on': 'is_' ~ model ~ '_on', 'share': 'share_' ~ model, 'upto': 'upto_' ~ model}) %}
{%- do ends.append({'model': "'" ~ model ~ "'", 'is_on': 'is_' ~ model ~ '_on', 'is_credited': 'coalesce(ends.upto_' ~ model ~ ' > 0, false)'}) %}
{%- endfor %}
with entries as (

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

channels as (

    select * from {{ ref('dim_channel') }}

),

-- on these days no spend is 0, on others it is not known
spend_days as (

    select distinct date_day from {{ ref('int_source_days') }} where subject = 'media' and is_extracted

),

settings as (

    select
        {% for model in attribution_models() -%}
        ',' || attribution_models || ',' like '%,{{ model }},%' as is_{{ model }}_on,
        {% endfor -%}
        reporting_time_zone,
        attribution_default_model
    from {{ ref('stg_config__settings') }}

),

---------- what the touch cost: its campaign, or its channel where nothing is known of the campaign's cost

outbound_campaigns as (

    select distinct campaign_key from costs where motion = 'outbound'

),

costed_campaigns as (

    select distinct campaign_key from costs where campaign_key != '(not set)'

),

outbound_channels as (

    select distinct channel from costs where motion = 'outbound' and channel != '(not set)'

),

costed_touches as (

    select
        touches.conversion_number,
        touches.conversion_key,
        touches.touch_order,
        touches.touch_id,
        coalesce(touches.channel, '(not set)') as channel,
        coalesce(touches.source, '(not set)') as source,
        coalesce(touches.medium, '(not set)') as medium,
        coalesce(touches.campaign_key, '(not set)') as campaign_key,
        touches.touched_at as touch_at,
        {{ reporting_date('touches.touched_at', 'settings.reporting_time_zone') }} as touch_date,
        case
            when costed_campaigns.campaign_key is not null and outbound_campaigns.campaign_key is not null then 'outbound'
            when costed_campaigns.campaign_key is null and outbound_channels.channel is not null then 'outbound'
            else 'inbound'
        end as motion
    from touches
    cross join settings
    left join costed_campaigns on touches.campaign_key = costed_campaigns.campaign_key
    left join outbound_campaigns on touches.campaign_key = outbound_campaigns.campaign_key
    left join outbound_channels on touches.channel = outbound_channels.channel

),

---------- shares

-- What a path has handed out up to and with each touch, in whole units of 1e-15: exact in whatever order they are
-- added. A share is the difference between two of these sums, rounded, and so is its money: both are handed out to
-- the last decimal, and no row has to know the others.
running as (

    select
        conversion_number,
        touch_order,
        touch_order = touches_in_path as is_end,
        {% for model in attribution_models() -%}
        round(weight_{{ model }} * 1e15) as share_{{ model }},
        sum(round(weight_{{ model }} * 1e15)) over path as upto_{{ model }}{{ ',' if not loop.last }}
        {% endfor %}
    from weights
    window path as (partition by conversion_number order by touch_order rows unbounded preceding)

),

long as (

    select running.conversion_number, running.touch_order, running.is_end, {{ explode_rows(shares) }}
    from running
    cross join settings

),

shares as (

    select
        conversion_number,
        touch_order,
        model,
        cast((upto - share) * 1e-15 as decimal(18, 12)) as share_before,
        case when is_end then 1 else cast(upto * 1e-15 as decimal(18, 12)) end as share_upto
    from long
    where is_on and share > 0

),

---------- what no touch has a share in is (unattributed), whole

ends as (

    select
        touches.conversion_key,
        {% for model in attribution_models() -%}
        running.upto_{{ model }}{{ ',' if not loop.last }}
        {% endfor %}
    from running
    inner join touches
        on running.conversion_number = touches.conversion_number and running.touch_order = touches.touch_order
    where running.is_end

),

entries_by_model as (

    select entries.conversion_type, entries.entry_id, {{ explode_rows(ends) }}
    from entries
    cross join settings
    left join ends on entries.conversion_key = ends.conversion_key

),

---------- both

credited as (

    select
        entries.*,
        shares.model,
        costed_touches.touch_id,
        costed_touches.channel,
        costed_touches.source,
        costed_touches.medium,
        costed_touches.campaign_key,
        costed_touches.touch_at,
        costed_touches.touch_date,
        costed_touches.motion,
        shares.share_before,
        shares.share_upto
    from shares
    inner join costed_touches
        on
            shares.conversion_number = costed_touches.conversion_number
            and shares.touch_order = costed_touches.touch_order
    inner join entries on costed_touches.conversion_key = entries.conversion_key

    union all

    select
        entries.*,
        entries_by_model.model,
        '(unattributed)' as touch_id,
        '(unattributed)' as channel,
        '(unattributed)' as source,
        '(unattributed)' as medium,
        '(unattributed)' as campaign_key,
        null as touch_at,
        null as touch_date,
        'inbound' as motion,
        0 as share_before,
        1 as share_upto
    from entries_by_model
    inner join entries
        on entries_by_model.conversion_type = entries.conversion_type and entries_by_model.entry_id = entries.entry_id
    where entries_by_model.is_on and not entries_by_model.is_credited

)

select
    ---------- ids
    credited.conversion_type,
    credited.conversion_id,
    credited.model,
    credited.touch_id,
    credited.entry,
    credited.entry_id,
    credited.lead_id,

    ---------- cuts: those of the touch
    credited.channel,
    credited.source,
    credited.medium,
    credited.campaign_key,

    ---------- dates
    credited.touch_at,
    credited.touch_date,
    credited.conversion_at,
    credited.conversion_date,

    ---------- credit
    case when credited.entry = 'conversion' then credited.share_upto - credited.share_before else 0 end as credit,
    {% for amount in ['revenue', 'gross_margin'] -%}
    {{ share_of('credited.' ~ amount, 'credited.share_upto') }} - {{ share_of('credited.' ~ amount, 'credited.share_before') }}
        as {{ amount }},
    {% endfor -%}
    credited.is_amount_known,
    credited.is_new_customer,
    credited.is_rate_missing,
    credited.motion,
    coalesce(channels.has_media_cost, false) as has_media_cost,
    spend_days.date_day is not null as is_spend_read,
    credited.model = settings.attribution_default_model as is_default_model

from credited
cross join settings
left join channels on credited.channel = channels.channel
left join spend_days on credited.conversion_date = spend_days.date_day
