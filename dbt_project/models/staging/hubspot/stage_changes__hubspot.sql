-- Grain: record_key or deal_key, stage, basis. Contacts: history first, then the latest-entry dates, then the current stage
-- alone. Deals: stages before the opportunity that a business keeps as the first stages of a deal pipeline.
with contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

deals as (

    select * from {{ ref('stg_hubspot__deals') }}

),

rules as (

    select stage_value, stage
    from {{ ref('stg_config__stage_map') }}
    where crm = 'hubspot' and object = 'contact'

),

early_rules as (

    select *
    from {{ ref('stg_config__stage_map') }}
    where crm = 'hubspot' and object = 'deal' and stage in ('lead', 'mql', 'sal', 'sql')

),

entries as (

    select contact_id, lifecycle_stage, {{ explode('lifecycle_stage_history') }} as entry
    from contacts

),

history as (

    {{ stages_reached('entries', 'rules', key='contact_id', current='lifecycle_stage') }}

),

latest_entries as (

    select
        contacts.contact_id,
        rules.stage,
        min({{ try_cast(json_text('contacts.stage_entered_at', 'rules.stage_value'), moment_type()) }}) as reached_at
    from contacts
    cross join rules
    where contacts.stage_entered_at is not null and rules.stage != 'lost'
    group by contacts.contact_id, rules.stage

),

current_stages as (

    select contacts.contact_id, rules.stage, contacts.created_at as reached_at
    from contacts
    inner join rules on contacts.lifecycle_stage = rules.stage_value

),

deal_entries as (

    select deal_id, pipeline_id, {{ explode('deal_stage_history') }} as entry
    from deals

),

early as (

    select deal_entries.deal_id, early_rules.stage, min(deal_entries.entry.timestamp) as reached_at
    from deal_entries
    inner join early_rules
        on
            deal_entries.entry.value = early_rules.stage_value
            and coalesce(early_rules.pipeline, deal_entries.pipeline_id) = deal_entries.pipeline_id
    group by deal_entries.deal_id, early_rules.stage

),

hints as (

    select 'hubspot:' || contact_id as record_key, cast(null as string) as deal_key, stage, reached_at, 'history' as basis, 1 as preference
    from history
    union all
    select 'hubspot:' || contact_id as record_key, cast(null as string) as deal_key, stage, reached_at, 'latest_entry' as basis, 2 as preference
    from latest_entries
    where reached_at is not null
    union all
    select 'hubspot:' || contact_id as record_key, cast(null as string) as deal_key, stage, reached_at, 'creation' as basis, 3 as preference
    from current_stages
    union all
    select cast(null as string) as record_key, 'hubspot:' || deal_id as deal_key, stage, reached_at, 'history' as basis, 1 as preference
    from early

)

select hints.*, false as reached_at_is_day
from hints
