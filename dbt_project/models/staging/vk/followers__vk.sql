-- Grain: date_day, account_id.
{% call as_shape('followers') %}
select
    day,
    date as date_day,
    account_id,
    'vk' as network,
    name as account_name,
    members_count as followers,
    true as is_exact
from {{ source('raw_vk', 'communities') }}
{% endcall %}
