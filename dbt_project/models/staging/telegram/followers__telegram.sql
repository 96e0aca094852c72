-- Grain: date_day, account_id.
select
    day,
    date as date_day,
    account_id,
    'telegram' as network,
    title as account_name,
    members as followers,
    true as is_exact,
    {{ not_given('followers', ['followers_gained', 'followers_lost']) }}
from {{ source('raw_telegram', 'members') }}
