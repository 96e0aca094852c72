-- Every hint that a person reached a stage, from the records of the CRMs: history first, then the latest-entry dates,
-- then the current stage alone. Deals speak in int_lead_stage_dates.
with records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

people as (

    select * from {{ ref('int_people_deduplicated') }}

),

best_evidence as (

    select *
    from {{ ref('stage_changes') }}
    where record_key is not null
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
