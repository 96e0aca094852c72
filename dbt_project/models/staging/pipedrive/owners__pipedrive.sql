-- Grain: owner_id.
with users as (

    {{ newest_versions(source('raw_pipedrive', 'users'), 'account_id, id', 'modified desc nulls last, _extracted_at desc, day desc') }}

)

select
    'pipedrive:' || account_id || ':' || id as owner_id,
    nullif(trim(name), '') as owner_name,
    not coalesce(active_flag, true) as is_archived
from users
