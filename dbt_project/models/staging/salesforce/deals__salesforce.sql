-- Grain: deal_key. Opportunities with what the org says of their state today, deleted ones included.
with opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }} where object = 'deal' and crm = 'salesforce'

),

time_zone as (

    select reporting_time_zone as name from {{ ref('stg_config__settings') }}

),

-- an opportunity that was closed, reopened and closed again was closed at its last entry
last_entries as (

    select opportunities.opportunity_id, max(entries.entered_at) as entered_at
    from opportunities
    inner join {{ ref('stg_salesforce__stage_entries') }} as entries
        on opportunities.opportunity_id = entries.opportunity_id and opportunities.stage = entries.stage
    group by opportunities.opportunity_id

),

states as (

    select
        opportunities.*,
        last_entries.entered_at,
        case
            -- what the business says of the stage; then the org's own words
            when coalesce(exact_rules.stage, general_rules.stage) in ('won', 'lost')
                then coalesce(exact_rules.stage, general_rules.stage)
            when coalesce(exact_rules.stage, general_rules.stage) is not null then 'open'
            when opportunities.is_won then 'won'
            when opportunities.is_closed then 'lost'
            else 'open'
        end as status,
        -- The close date is a day that people write, and a forecast until the end. Where the entry into the closing stage falls
        -- on it (or beside it: users have time zones of their own), that is the moment; else a person knew it better.
        not opportunities.is_closed or opportunities.close_day is null or coalesce(
            abs({{ day_difference('cast(last_entries.entered_at as date)', 'opportunities.close_day') }}) <= 1, false
        ) as is_entry_the_close
    from opportunities
    left join last_entries on opportunities.opportunity_id = last_entries.opportunity_id
    left join stage_map as exact_rules
        on opportunities.pipeline = exact_rules.pipeline and opportunities.stage = exact_rules.stage_value
    left join stage_map as general_rules
        on general_rules.pipeline is null and opportunities.stage = general_rules.stage_value

)

{% call as_shape('deals') %}
select
    'salesforce:' || states.opportunity_id as deal_key,
    states.opportunity_id as crm_deal_id,
    false as is_merged, -- Salesforce does not merge opportunities
    states.is_deleted,
    false as is_export,
    states.pipeline,
    states.stage,
    states.status,
    states.created_at,
    false as created_at_is_day,
    true as is_created_at_known,
    case
        when states.status = 'open' then null
        when states.is_entry_the_close then states.entered_at
        else {{ moment_of('cast(states.close_day as ' ~ wall_clock_type() ~ ')', 'time_zone.name') }}
    end as closed_at,
    states.status != 'open' and not states.is_entry_the_close as closed_at_is_day,
    states.amount,
    states.currency_code,
    states.product,
    'salesforce:' || states.owner_id as owner_id,
    'salesforce:' || states.refund_of_opportunity_id as refund_of_deal_key,
    'salesforce:company:' || states.company_id as company_key,
    states.order_id
from states
cross join time_zone
{% endcall %}
