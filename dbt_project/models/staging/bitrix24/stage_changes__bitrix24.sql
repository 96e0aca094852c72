-- Grain: record_key or deal_key, stage, basis. Leads: the statuses that they came to, then the status of today alone. Deals: stages
-- before the opportunity that a business keeps as the first stages of a pipeline.
with leads as (

    select * from {{ ref('stg_bitrix24__people') }} where status is not null

),

steps as (

    {{ newest_versions(source('raw_bitrix24', 'steps'), 'account_id, entity_type_id, ID', '_extracted_at desc, day desc') }}

),

stages as (

    {{ newest_versions(source('raw_bitrix24', 'stages'), 'account_id, ENTITY_ID, STATUS_ID', '_extracted_at desc, day desc') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }} where crm = 'bitrix24'

),

-- a status may be named by its id or by its name
lead_rules as (

    select stages.account_id, stages.STATUS_ID as status, min(stage_map.stage) as stage
    from stages
    inner join stage_map on stage_map.object = 'contact' and stage_map.stage_value in (stages.STATUS_ID, stages.NAME)
    where stages.ENTITY_ID = 'STATUS'
    group by stages.account_id, stages.STATUS_ID

),

history as (

    select
        leads.record_key as key,
        lead_rules.stage,
        -- lost counts only while it lasts: the others count from the first time
        case when lead_rules.stage = 'lost' then max(steps.CREATED_TIME) else min(steps.CREATED_TIME) end as reached_at
    from steps
    inner join leads on steps.account_id = leads.account_id and steps.OWNER_ID = leads.id
    inner join lead_rules on steps.account_id = lead_rules.account_id and steps.stage_id = lead_rules.status
    left join lead_rules as current_rules
        on leads.account_id = current_rules.account_id and leads.status = current_rules.status
    where steps.entity_type_id = '1' and (lead_rules.stage != 'lost' or current_rules.stage = 'lost')
    group by leads.record_key, lead_rules.stage

),

current_stages as (

    select leads.record_key as key, lead_rules.stage, leads.created_at as reached_at
    from leads
    inner join lead_rules on leads.account_id = lead_rules.account_id and leads.status = lead_rules.status

),

early as (

    select steps.account_id || ':' || steps.OWNER_ID as key, stage_map.stage, min(steps.CREATED_TIME) as reached_at
    from steps
    inner join stages
        on
            steps.account_id = stages.account_id
            and steps.CATEGORY_ID = stages.category_id
            and steps.stage_id = stages.STATUS_ID
    inner join stage_map
        on
            stage_map.object = 'deal'
            and stage_map.stage in ('lead', 'mql', 'sal', 'sql')
            and stage_map.stage_value in (stages.STATUS_ID, stages.NAME)
            and coalesce(stage_map.pipeline, stages.category_id) in (stages.category_id, stages.category_name)
    where steps.entity_type_id = '2'
    group by steps.account_id, steps.OWNER_ID, stage_map.stage

),

hints as (

    select key as person, cast(null as string) as deal, stage, reached_at, 'history' as basis, 1 as preference from history
    union all
    select key as person, cast(null as string) as deal, stage, reached_at, 'creation' as basis, 3 as preference from current_stages
    union all
    select cast(null as string) as person, key as deal, stage, reached_at, 'history' as basis, 1 as preference from early

)

select
    'bitrix24:' || person as record_key,
    'bitrix24:' || deal as deal_key,
    stage,
    reached_at,
    basis,
    preference,
    false as reached_at_is_day
from hints
