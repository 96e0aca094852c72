-- Grain: record_key or deal_key, stage, basis. Leads: the history of their status, else the day of their conversion and the
-- status of today. Opportunities: stages before the opportunity that a business keeps as the first stages of a pipeline.
with leads as (

    select * from {{ ref('stg_salesforce__people') }} where object = 'lead'

),

entries as (

    select * from {{ ref('stg_salesforce__status_entries') }}

),

rules as (

    select stage_value, stage
    from {{ ref('stg_config__stage_map') }}
    where crm = 'salesforce' and object = 'contact'

),

early_rules as (

    select *
    from {{ ref('stg_config__stage_map') }}
    where crm = 'salesforce' and object = 'deal' and stage in ('lead', 'mql', 'sal', 'sql')

),

time_zone as (

    select reporting_time_zone as name from {{ ref('stg_config__settings') }}

),

history as (

    select
        entries.lead_id,
        rules.stage,
        -- lost counts only while it lasts: the others count from the first time
        case when rules.stage = 'lost' then max(entries.entered_at) else min(entries.entered_at) end as reached_at
    from entries
    inner join leads on entries.lead_id = leads.record_id
    inner join rules on entries.status = rules.stage_value
    left join rules as current_rules on leads.status = current_rules.stage_value
    where entries.is_history and (rules.stage != 'lost' or current_rules.stage = 'lost')
    group by entries.lead_id, rules.stage

),

conversions as (

    select
        leads.record_id as lead_id,
        rules.stage,
        {{ moment_of('cast(leads.converted_day as ' ~ wall_clock_type() ~ ')', 'time_zone.name') }} as day_began_at,
        leads.created_at
    from leads
    cross join time_zone
    inner join rules on leads.status = rules.stage_value
    where leads.is_converted and leads.converted_day is not null

),

early as (

    select entries.opportunity_id, early_rules.stage, min(entries.entered_at) as reached_at
    from {{ ref('stg_salesforce__stage_entries') }} as entries
    inner join {{ ref('stg_salesforce__opportunities') }} as opportunities
        on entries.opportunity_id = opportunities.opportunity_id
    inner join early_rules
        on
            entries.stage = early_rules.stage_value
            and (early_rules.pipeline is null or early_rules.pipeline = opportunities.pipeline)
    group by entries.opportunity_id, early_rules.stage

)

select
    'salesforce:' || lead_id as record_key, cast(null as string) as deal_key, stage, reached_at,
    false as reached_at_is_day, 'history' as basis, 1 as preference
from history
union all
select
    'salesforce:' || lead_id as record_key, cast(null as string) as deal_key, stage,
    greatest(day_began_at, created_at) as reached_at, -- the day that a lead was made on has begun before it
    day_began_at >= created_at as reached_at_is_day, 'latest_entry' as basis, 2 as preference
from conversions
union all
select
    'salesforce:' || leads.record_id as record_key, cast(null as string) as deal_key, rules.stage, leads.created_at as reached_at,
    false as reached_at_is_day, 'creation' as basis, 3 as preference
from leads
inner join rules on leads.status = rules.stage_value
union all
select
    cast(null as string) as record_key, 'salesforce:' || opportunity_id as deal_key, stage, reached_at,
    false as reached_at_is_day, 'history' as basis, 1 as preference
from early
