-- Grain: record_key or deal_key, stage, basis. Contacts: the changes of the field that says where they are, then its value alone.
-- Deals: statuses before the opportunity that a business keeps as the first ones of a pipeline. What a record was made with is
-- no event: it is what the first change put an end to, else the value of today.
with contacts as (

    {{ newest_versions(source('raw_amocrm', 'contacts'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

deals as (

    {{ newest_versions(source('raw_amocrm', 'leads'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

statuses as (

    {{ newest_versions(source('raw_amocrm', 'statuses'), 'account_id, pipeline_id, id', '_extracted_at desc, day desc') }}

),

events as (

    {{ newest_versions(source('raw_amocrm', 'events'), 'account_id, id', '_extracted_at desc, day desc') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }} where crm = 'amocrm'

),

rules as (

    select stage_value, stage from stage_map where object = 'contact'

),

first_events as (

    select *
    from events
    qualify row_number() over (
        partition by account_id, entity_type, entity_id, type = 'lead_status_changed' order by created_at, id
    ) = 1

),

entries as (

    select account_id, entity_id as id, value_after as value, created_at as entered_at
    from events
    where entity_type = 'contact' and value_after is not null
    union all
    select
        contacts.account_id, contacts.id,
        case when first_events.id is null then contacts.stage else first_events.value_before end as value,
        contacts.created_at as entered_at
    from contacts
    left join first_events
        on
            contacts.account_id = first_events.account_id
            and contacts.id = first_events.entity_id
            and first_events.entity_type = 'contact'

),

history as (

    select
        entries.account_id || ':' || entries.id as key,
        rules.stage,
        -- lost counts only while it lasts: the others count from the first time
        case when rules.stage = 'lost' then max(entries.entered_at) else min(entries.entered_at) end as reached_at
    from entries
    inner join contacts on entries.account_id = contacts.account_id and entries.id = contacts.id
    inner join rules on entries.value = rules.stage_value
    left join rules as current_rules on contacts.stage = current_rules.stage_value
    where rules.stage != 'lost' or current_rules.stage = 'lost'
    group by entries.account_id, entries.id, rules.stage

),

current_stages as (

    select contacts.account_id || ':' || contacts.id as key, rules.stage, contacts.created_at as reached_at
    from contacts
    inner join rules on contacts.stage = rules.stage_value

),

deal_entries as (

    select account_id, entity_id as id, pipeline_after as pipeline_id, status_after as status_id, created_at as entered_at
    from events
    where type = 'lead_status_changed'
    union all
    select
        deals.account_id, deals.id,
        coalesce(first_events.pipeline_before, deals.pipeline_id) as pipeline_id,
        coalesce(first_events.status_before, deals.status_id) as status_id,
        deals.created_at as entered_at
    from deals
    left join first_events
        on
            deals.account_id = first_events.account_id
            and deals.id = first_events.entity_id
            and first_events.type = 'lead_status_changed'

),

early as (

    select
        deal_entries.account_id || ':' || deal_entries.id as key,
        stage_map.stage,
        min(deal_entries.entered_at) as reached_at
    from deal_entries
    inner join statuses
        on
            deal_entries.account_id = statuses.account_id
            and deal_entries.pipeline_id = statuses.pipeline_id
            and deal_entries.status_id = statuses.id
    inner join stage_map
        on
            stage_map.object = 'deal'
            and stage_map.stage in ('lead', 'mql', 'sal', 'sql')
            and stage_map.stage_value in (statuses.id, statuses.name)
            and coalesce(stage_map.pipeline, statuses.pipeline_id) in (statuses.pipeline_id, statuses.pipeline_name)
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
    'amocrm:' || person as record_key,
    'amocrm:' || deal as deal_key,
    stage,
    reached_at,
    basis,
    preference,
    false as reached_at_is_day
from hints
