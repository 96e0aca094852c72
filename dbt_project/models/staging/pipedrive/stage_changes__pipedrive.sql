-- Grain: record_key or deal_key, stage, basis. Persons: the changes of the field that says where they are, then its value
-- alone. Deals: stages before the opportunity that a business keeps as the first stages of a pipeline.
with persons as (

    {{ newest_versions(source('raw_pipedrive', 'persons'), 'account_id, id', 'update_time desc, _extracted_at desc, day desc') }}

),

deals as (

    {{ newest_versions(source('raw_pipedrive', 'deals'), 'account_id, id', 'update_time desc, _extracted_at desc, day desc') }}

),

stages as (

    {{ newest_versions(source('raw_pipedrive', 'stages'), 'account_id, id', 'update_time desc nulls last, _extracted_at desc, day desc') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }} where crm = 'pipedrive'

),

rules as (

    select stage_value, stage from stage_map where object = 'contact'

),

entries as (

    select account_id || ':' || id as key, stage as current_value, {{ explode('stage_history') }} as entry
    from persons

),

history as (

    {{ stages_reached('entries', 'rules', key='key', current='current_value') }}

),

current_stages as (

    select persons.account_id || ':' || persons.id as key, rules.stage, persons.add_time as reached_at
    from persons
    inner join rules on persons.stage = rules.stage_value

),

deal_entries as (

    select account_id, id, {{ explode('stage_history') }} as entry
    from deals

),

early as (

    select deal_entries.account_id || ':' || deal_entries.id as key, stage_map.stage, min(deal_entries.entry.timestamp) as reached_at
    from deal_entries
    inner join stages on deal_entries.account_id = stages.account_id and deal_entries.entry.value = stages.id
    inner join stage_map
        on
            stage_map.object = 'deal'
            and stage_map.stage in ('lead', 'mql', 'sal', 'sql')
            and stage_map.stage_value in (stages.id, stages.name)
            and coalesce(stage_map.pipeline, stages.pipeline_id) in (stages.pipeline_id, stages.pipeline_name)
    group by deal_entries.account_id, deal_entries.id, stage_map.stage

),

hints as (

    select key as person, cast(null as string) as deal, stage, reached_at, 'history' as basis, 1 as preference from history
    union all
    select key as person, cast(null as string) as deal, stage, reached_at, 'creation' as basis, 3 as preference from current_stages
    union all
    select cast(null as string) as person, key as deal, stage, reached_at, 'history' as basis, 1 as preference from early

)

select
    'pipedrive:' || person as record_key,
    'pipedrive:' || deal as deal_key,
    stage,
    reached_at,
    basis,
    preference,
    false as reached_at_is_day
from hints
