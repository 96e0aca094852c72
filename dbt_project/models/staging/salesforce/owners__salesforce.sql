-- Grain: owner_id.
with users as (

    {{ newest_versions(source('raw_salesforce', 'users'), 'Id', 'SystemModstamp desc, _extracted_at desc, day desc') }}

)

select
    'salesforce:' || Id as owner_id,
    nullif(trim(Name), '') as owner_name,
    not coalesce(IsActive, true) as is_archived
from users
