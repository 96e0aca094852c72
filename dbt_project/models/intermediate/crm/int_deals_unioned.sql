-- One shape for the deals of every CRM, with what the CRM says of their state today. Deleted and merged ones are out.
with hubspot_deals as (

    select * from {{ ref('stg_hubspot__deals') }}

),

pipeline_stages as (

    select * from {{ ref('stg_hubspot__pipeline_stages') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }} where object = 'deal'

),

files_deals as (

    select * from {{ ref('stg_files__deals') }}

),

crms as (

    select * from {{ ref('int_crms_ranked') }}

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

hubspot_states as (

    select
        deals.*,
        pipeline_stages.pipeline_name,
        pipeline_stages.stage_name,
        last_entries.entered_at,
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
            exact_rules.crm = 'hubspot'
            and deals.pipeline_id = exact_rules.pipeline
            and deals.deal_stage = exact_rules.stage_value
    left join stage_map as general_rules
        on
            general_rules.crm = 'hubspot'
            and general_rules.pipeline is null
            and deals.deal_stage = general_rules.stage_value
    where losers.deal_id is null and not deals.is_archived

),

hubspot as (

    select
        'hubspot:' || deal_id as deal_key,
        'hubspot' as crm,
        deal_id as crm_deal_id,
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
        'hubspot:company:' || company_ids[1] as company_key, -- the primary company stands first
        cast(null as varchar) as account_id,
        cast(null as varchar) as named_lead_id,
        cast(null as varchar[]) as named_lead_ids,
        cast(null as varchar) as email_hash,
        cast(null as varchar) as phone_hash
    from hubspot_states

),

files as (

    select
        'files:' || deals.account_id || ':' || deals.deal_id as deal_key,
        'files' as crm,
        deals.deal_id as crm_deal_id,
        deals.pipeline,
        coalesce(deals.stage, deals.status) as stage,
        deals.status,
        deals.created_at,
        deals.created_at_is_day,
        deals.is_created_at_known,
        case when deals.status != 'open' then deals.closed_at end as closed_at,
        deals.status != 'open' and deals.closed_at_is_day as closed_at_is_day,
        deals.amount,
        deals.currency_code,
        deals.product,
        deals.owner_id,
        cast(null as varchar) as refund_of_deal_key,
        'files:customer:' || deals.customer_id as company_key,
        deals.account_id,
        deals.lead_id as named_lead_id,
        deals.lead_ids as named_lead_ids,
        deals.email_hash,
        deals.phone_hash
    from files_deals as deals

),

unioned as (

    select * from hubspot
    union all
    select * from files

)

select
    unioned.*,
    crms.crm_rank,
    unioned.refund_of_deal_key is not null or coalesce(unioned.amount, 0) < 0 as is_refund
from unioned
inner join crms on unioned.crm = crms.crm
