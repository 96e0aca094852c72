-- Grain: deal_key, record_key. The person of each deal: Pipedrive gives a merged person's deals to the survivor itself.
with deals as (

    {{ newest_versions(source('raw_pipedrive', 'deals'), 'account_id, id', 'update_time desc, _extracted_at desc, day desc') }}

)

select
    'pipedrive:' || account_id || ':' || id as deal_key,
    'pipedrive:' || account_id || ':' || person_id as record_key,
    true as is_primary
from deals
where person_id is not null
