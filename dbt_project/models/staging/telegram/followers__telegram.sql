-- Grain: date_day, account_id.
{% call as_shape('followers') %}
select
    day,
    date as date_day,
    account_id,
    'telegram' as network,
    title as account_name,
    members as followers,
    true as is_exact
from {{ source('raw_telegram', 'members') }}
{% endcall %}
