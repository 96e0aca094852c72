-- Grain: record_key. Contacts that live on in another one.
select
    'hubspot:' || contact_id as record_key,
    contact_id as crm_record_id,
    'hubspot:' || survivor_id as survivor_key
from {{ ref('stg_hubspot__contacts_merged') }}
where is_merged
