-- Grain: owner_id.
with users as (

    {{ newest_versions(source('raw_amocrm', 'users'), 'account_id, id', '_extracted_at desc, day desc') }}

)

select
    'amocrm:' || account_id || ':' || id as owner_id,
    nullif(trim(name), '') as owner_name,
    not coalesce(is_active, true) as is_archived
from users
