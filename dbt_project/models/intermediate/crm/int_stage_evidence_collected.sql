-- Every hint that a person reached a stage, from the records of the CRMs: history first, then the latest-entry dates,
-- then the current stage alone. Deals speak in int_lead_stage_dates.
with records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

people as (

    select * from {{ ref('int_people_deduplicated') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }}

),

hubspot_contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

files_leads as (

    select * from {{ ref('stg_files__leads') }}

),

hubspot_rules as (

    select stage_value, stage from stage_map where crm = 'hubspot' and object = 'contact'

),

hubspot_entries as (

    select contact_id, lifecycle_stage, {{ explode('lifecycle_stage_history') }} as entry
    from hubspot_contacts

),

hubspot_history as (

    select
        'hubspot:' || hubspot_entries.contact_id as record_key,
        hubspot_rules.stage,
        -- lost counts only while it lasts: the others count from the first time
        case
            when hubspot_rules.stage = 'lost' then max(hubspot_entries.entry.timestamp)
            else min(hubspot_entries.entry.timestamp)
        end as reached_at,
        'history' as basis
    from hubspot_entries
    inner join hubspot_rules on hubspot_entries.entry.value = hubspot_rules.stage_value
    left join hubspot_rules as current_rules on hubspot_entries.lifecycle_stage = current_rules.stage_value
    where hubspot_rules.stage != 'lost' or current_rules.stage = 'lost'
    group by hubspot_entries.contact_id, hubspot_rules.stage

),

hubspot_latest_entries as (

    select
        'hubspot:' || hubspot_contacts.contact_id as record_key,
        hubspot_rules.stage,
        min({{ try_cast(json_text('hubspot_contacts.stage_entered_at', 'hubspot_rules.stage_value'), 'timestamptz') }})
            as reached_at,
        'latest_entry' as basis
    from hubspot_contacts
    cross join hubspot_rules
    where hubspot_contacts.stage_entered_at is not null and hubspot_rules.stage != 'lost'
    group by hubspot_contacts.contact_id, hubspot_rules.stage

),

hubspot_current as (

    select
        'hubspot:' || hubspot_contacts.contact_id as record_key,
        hubspot_rules.stage,
        hubspot_contacts.created_at as reached_at,
        'creation' as basis
    from hubspot_contacts
    inner join hubspot_rules on hubspot_contacts.lifecycle_stage = hubspot_rules.stage_value

),

files_stages as (

    select
        'files:' || files_leads.account_id || ':' || files_leads.lead_id as record_key,
        {% for moment in ['created', 'mql', 'sal', 'sql', 'opportunity', 'won', 'lost'] -%}
        files_leads.{{ moment }}_at,
        files_leads.{{ moment }}_at_is_day,
        {% endfor -%}
        -- a file may use our own names for the stages without any mapping
        coalesce(
            stage_map.stage,
            case
                when lower(files_leads.stage) in ('lead', 'mql', 'sal', 'sql', 'opportunity', 'won', 'lost')
                    then lower(files_leads.stage)
            end
        ) as current_stage
    from files_leads
    left join stage_map
        on stage_map.crm = 'files' and stage_map.object = 'contact' and files_leads.stage = stage_map.stage_value

),

files_dates as (

    select record_key, 'lead' as stage, created_at as reached_at, created_at_is_day as reached_at_is_day
    from files_stages
    {% for stage in ['mql', 'sal', 'sql', 'opportunity', 'won', 'lost'] -%}
    union all
    select
        record_key,
        '{{ stage }}' as stage,
        {{ stage }}_at as reached_at,
        {{ stage }}_at_is_day as reached_at_is_day
    from files_stages
    where {{ stage }}_at is not null
    {% endfor %}
),

evidence as (

    select record_key, stage, reached_at, false as reached_at_is_day, basis, 1 as preference from hubspot_history
    union all
    select record_key, stage, reached_at, false as reached_at_is_day, basis, 2 as preference
    from hubspot_latest_entries
    where reached_at is not null
    union all
    select record_key, stage, reached_at, false as reached_at_is_day, basis, 3 as preference from hubspot_current
    union all
    select record_key, stage, reached_at, reached_at_is_day, 'history' as basis, 1 as preference from files_dates
    union all
    select
        record_key,
        current_stage as stage,
        created_at as reached_at,
        created_at_is_day as reached_at_is_day,
        'creation' as basis,
        3 as preference
    from files_stages
    where current_stage is not null

),

best_evidence as (

    select *
    from evidence
    qualify row_number() over (partition by record_key, stage order by preference, reached_at) = 1

)

select
    people.person_id,
    records.record_key,
    records.crm,
    records.crm_rank,
    records.created_at as record_created_at,
    best_evidence.stage,
    best_evidence.reached_at,
    best_evidence.reached_at_is_day,
    best_evidence.basis
from best_evidence
inner join records on best_evidence.record_key = records.record_key
inner join people on records.record_key = people.record_key
