-- Grain: date_day, account_id.
{% call as_shape('followers') %}
select
    day,
    date as date_day,
    account_id,
    'x' as network,
    name as account_name,
    followers_count as followers,
    true as is_exact
from {{ source('raw_x', 'accounts') }}
{% endcall %}
