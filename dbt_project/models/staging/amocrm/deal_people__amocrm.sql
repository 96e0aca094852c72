-- Grain: deal_key, record_key. The contacts of each deal: amoCRM gives a merged contact's deals to the survivor itself.
with deals as (

    {{ newest_versions(source('raw_amocrm', 'leads'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

entries as (

    select account_id, id, {{ explode('contacts') }} as entry
    from deals

)

select
    'amocrm:' || account_id || ':' || id as deal_key,
    'amocrm:' || account_id || ':' || entry.id as record_key,
    bool_or(entry.is_main) as is_primary
from entries
group by account_id, id, entry.id
