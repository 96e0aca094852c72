-- Grain: owner_id.
with users as (

    {{ newest_versions(source('raw_bitrix24', 'users'), 'account_id, ID', '_extracted_at desc, day desc') }}

)

select
    'bitrix24:' || account_id || ':' || ID as owner_id,
    nullif(trim(name), '') as owner_name,
    not coalesce(ACTIVE, true) as is_archived
from users
