-- Grain: date_day, account_id.
select
    day,
    date as date_day,
    account_id,
    'pinterest' as network,
    coalesce(business_name, username) as account_name,
    follower_count as followers,
    true as is_exact,
    {{ not_given('followers', ['followers_gained', 'followers_lost']) }}
from {{ source('raw_pinterest', 'account') }}
