-- Which person each record is. Same e-mail = same person; the phone counts only for a record without an e-mail; clicks
-- and browsers bring in what neither names (int_identity_joined).
with records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

links as (

    select
        evidence,
        person_id,
        linked_by_kind,
        max(case when id_kind = 'email' and is_link then 1 else 0 end) = 1 as has_email,
        max(case when id_kind = 'phone' and is_link then 1 else 0 end) = 1 as has_phone
    from {{ ref('int_identity_links') }}
    where evidence_kind = 'record'
    group by evidence, person_id, linked_by_kind

),

resolved as (

    select
        records.record_key,
        records.crm,
        records.crm_rank,
        records.created_at,
        records.created_at_is_day,
        -- named after the oldest of their records in the first CRM of crm.truth
        coalesce(links.person_id, records.record_key) as person_id,
        case
            when links.has_email then 'email'
            when links.has_phone then 'phone'
            else coalesce(links.linked_by_kind, 'record')
        end as known_by
    from records
    left join links on 'record:' || records.record_key = links.evidence

)

select
    record_key,
    crm,
    crm_rank,
    person_id,
    min(created_at) over (partition by person_id) as person_created_at,
    first_value(created_at_is_day) over (partition by person_id order by created_at, record_key)
        as person_created_at_is_day,
    known_by
from resolved
