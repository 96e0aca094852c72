-- Grain: date_day, account_id.
{% call as_shape('followers') %}
select
    day,
    date as date_day,
    account_id,
    'pinterest' as network,
    coalesce(business_name, username) as account_name,
    follower_count as followers,
    true as is_exact
from {{ source('raw_pinterest', 'account') }}
{% endcall %}
