-- Grain: deal_key, record_key. The contacts of each deal, the first of them its main one; where it has none, the lead that it was
-- made from.
with deals as (

    {{ newest_versions(source('raw_bitrix24', 'deals'), 'account_id, id', 'updatedTime desc, _extracted_at desc, day desc') }}

),

people as (

    select * from {{ ref('stg_bitrix24__people') }}

),

entries as (

    select account_id, id, contactId as main_contact_id, {{ explode('contactIds') }} as contact_id
    from deals

),

linked as (

    select account_id, id, 'C_' || contact_id as record_id, contact_id = main_contact_id as is_primary
    from entries
    union all
    select account_id, id, 'C_' || contactId as record_id, true as is_primary
    from deals
    where contactId is not null
    union all
    select account_id, id, 'L_' || leadId as record_id, contactId is null as is_primary
    from deals
    where leadId is not null

)

select
    'bitrix24:' || linked.account_id || ':' || linked.id as deal_key,
    'bitrix24:' || people.survivor_key as record_key,
    bool_or(coalesce(linked.is_primary, false)) as is_primary
from linked
inner join people on linked.account_id = people.account_id and linked.record_id = people.record_id
group by linked.account_id, linked.id, people.survivor_key
