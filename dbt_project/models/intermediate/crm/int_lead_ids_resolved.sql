-- Files name leads by their bare id. The id of any CRM record will do, that of a merged contact as well; where several
-- records have it, those of the same mapping come first, then other exports, then CRMs.
with records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

people as (

    select record_key, person_id from {{ ref('int_people_deduplicated') }}

),

merged as (

    select * from {{ ref('merged_people') }}

),

named as (

    select crm_record_id as lead_id, crm, is_export, account_id, record_key from records
    union all
    select
        crm_record_id as lead_id,
        source_system as crm,
        false as is_export,
        cast(null as string) as account_id,
        survivor_key as record_key
    from merged

)

select
    named.lead_id,
    named.crm,
    named.account_id,
    people.person_id,
    row_number() over (
        partition by named.lead_id
        order by case when named.is_export then 0 else 1 end, named.account_id, named.record_key
    ) as preference
from named
inner join people on named.record_key = people.record_key
