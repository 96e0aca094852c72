-- Grain: record_key. Losers of merges, and contacts that live on in the lead that they were.
select
    'salesforce:' || record_id as record_key,
    record_id as crm_record_id,
    'salesforce:' || survivor_id as survivor_key
from {{ ref('stg_salesforce__people_merged') }}
where is_merged
