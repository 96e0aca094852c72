-- Grain: date_day, account_id.
select
    day,
    date as date_day,
    account_id,
    'vk' as network,
    name as account_name,
    members_count as followers,
    true as is_exact,
    {{ not_given('followers', ['followers_gained', 'followers_lost']) }}
from {{ source('raw_vk', 'communities') }}
