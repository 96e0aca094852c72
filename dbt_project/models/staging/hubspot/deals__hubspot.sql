-- Grain: deal_key. Deals with what the portal says of their state today, archived and merged ones included.
with hubspot_deals as (

    select * from {{ ref('stg_hubspot__deals') }}

),

pipeline_stages as (

    select * from {{ ref('stg_hubspot__pipeline_stages') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }} where object = 'deal' and crm = 'hubspot'

),

listed as (

    select deal_id as survivor_id, {{ explode('merged_deal_ids') }} as loser_id
    from hubspot_deals

),

losers as (

    select trim(loser_id) as deal_id, min(survivor_id) as survivor_id
    from listed
    where trim(loser_id) not in ('', survivor_id)
    group by trim(loser_id)

),

stage_entries as (

    select deal_id, deal_stage, {{ explode('deal_stage_history') }} as entry
    from hubspot_deals

),

-- a deal that was closed, reopened and closed again was closed at its last entry
last_entries as (

    select deal_id, max(entry.timestamp) as entered_at
    from stage_entries
    where entry.value = deal_stage
    group by deal_id

),

states as (

    select
        deals.*,
        pipeline_stages.pipeline_name,
        pipeline_stages.stage_name,
        last_entries.entered_at,
        losers.deal_id is not null as is_merged,
        coalesce(refunded_losers.survivor_id, deals.refund_of_deal_id) as refunded_deal_id,
        case
            -- what the business says of the stage; then the pipeline's own words; then the deal's
            when coalesce(exact_rules.stage, general_rules.stage) in ('won', 'lost')
                then coalesce(exact_rules.stage, general_rules.stage)
            when coalesce(exact_rules.stage, general_rules.stage) is not null then 'open'
            when pipeline_stages.is_closed and pipeline_stages.probability >= 1 then 'won'
            when pipeline_stages.is_closed then 'lost'
            when not pipeline_stages.is_closed then 'open'
            when deals.is_closed_won or deals.deal_stage = 'closedwon' then 'won'
            when deals.is_closed or deals.deal_stage = 'closedlost' then 'lost'
            else 'open'
        end as status
    from hubspot_deals as deals
    left join losers on deals.deal_id = losers.deal_id
    left join losers as refunded_losers on deals.refund_of_deal_id = refunded_losers.deal_id
    left join last_entries on deals.deal_id = last_entries.deal_id
    left join pipeline_stages
        on deals.pipeline_id = pipeline_stages.pipeline_id and deals.deal_stage = pipeline_stages.stage_id
    left join stage_map as exact_rules
        on
            deals.pipeline_id = exact_rules.pipeline
            and deals.deal_stage = exact_rules.stage_value
    left join stage_map as general_rules
        on
            general_rules.pipeline is null
            and deals.deal_stage = general_rules.stage_value

)

{% call as_shape('deals') %}
select
    'hubspot:' || deal_id as deal_key,
    deal_id as crm_deal_id,
    is_merged,
    is_archived as is_deleted,
    false as is_export,
    coalesce(pipeline_name, pipeline_id) as pipeline,
    coalesce(stage_name, deal_stage) as stage,
    status,
    created_at,
    false as created_at_is_day,
    true as is_created_at_known,
    -- the close date of an open deal is a forecast; of a closed one without any nobody knows when
    case when status != 'open' then coalesce(close_at, entered_at) end as closed_at,
    false as closed_at_is_day,
    amount,
    currency_code,
    product,
    owner_id,
    'hubspot:' || refunded_deal_id as refund_of_deal_key,
    'hubspot:company:' || {{ first_of('company_ids') }} as company_key, -- the primary company stands first
    order_id
from states
{% endcall %}
