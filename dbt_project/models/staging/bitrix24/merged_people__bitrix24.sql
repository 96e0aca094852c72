-- Grain: record_key. Contacts that live on in the lead that they were, and further leads of the same contact.
select
    'bitrix24:' || record_key as record_key,
    record_id as crm_record_id,
    'bitrix24:' || survivor_key as survivor_key
from {{ ref('stg_bitrix24__people') }}
where record_key != survivor_key
