-- Grain: date_day, account_id.
{% call as_shape('followers') %}
select
    day,
    date as date_day,
    account_id,
    'youtube' as network,
    title as account_name,
    subscribercount as followers,
    -- three digits are shown: a smaller number is whole
    subscribercount < 1000 as is_exact
from {{ source('raw_youtube', 'channels') }}
{% endcall %}
