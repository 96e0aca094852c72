-- Why these are one person: every id of a person with what ties it to them.
with links as (

    select * from {{ ref('int_identity_links') }} where is_link and person_id is not null

),

people as (

    select record_key, person_id from {{ ref('int_people_deduplicated') }}

),

records as (

    select record_key, created_at from {{ ref('int_crm_records_unioned') }}

),

merged as (

    select * from {{ ref('merged_people') }}

),

record_ties as (

    select distinct evidence, linked_by_kind, linked_by_value from links where evidence_kind = 'record'

),

-- of several records, forms and visits that carry the id, the first one names it
first_seen as (

    select
        person_id,
        id_kind,
        id_value,
        {{ earliest("evidence", '(seen_at, evidence)') }} as evidence,
        count(*) as evidence_count,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_seen_at
    from links
    group by person_id, id_kind, id_value

),

seen_ids as (

    select
        first_seen.person_id,
        first_seen.id_kind,
        first_seen.id_value,
        links.linked_by_kind,
        links.linked_by_value,
        first_seen.evidence,
        first_seen.evidence_count,
        first_seen.first_seen_at,
        first_seen.last_seen_at
    from first_seen
    inner join links
        on
            first_seen.evidence = links.evidence
            and first_seen.id_kind = links.id_kind
            and first_seen.id_value = links.id_value

),

record_ids as (

    select
        people.person_id,
        'crm_record' as id_kind,
        people.record_key as id_value,
        record_ties.linked_by_kind,
        record_ties.linked_by_value,
        'record:' || people.record_key as evidence,
        1 as evidence_count,
        records.created_at as first_seen_at,
        records.created_at as last_seen_at
    from people
    inner join records on people.record_key = records.record_key
    left join record_ties on 'record:' || people.record_key = record_ties.evidence

),

-- the CRM says so itself
merged_ids as (

    select
        people.person_id,
        'merged_record' as id_kind,
        merged.record_key as id_value,
        'crm_merge' as linked_by_kind,
        people.record_key as linked_by_value,
        'record:' || people.record_key as evidence,
        1 as evidence_count,
        cast(null as {{ moment_type() }}) as first_seen_at,
        cast(null as {{ moment_type() }}) as last_seen_at
    from merged
    inner join people on merged.survivor_key = people.record_key

)

select * from seen_ids
union all
select * from record_ids
union all
select * from merged_ids
