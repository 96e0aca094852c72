-- Grain: date_day, network, account_id.
with counted as (

    select day, date, account_id, 'facebook' as network, name as account_name, followers_count
    from {{ source('raw_meta_social', 'pages') }}
    union all
    select day, date, account_id, 'instagram' as network, username as account_name, followers_count
    from {{ source('raw_meta_social', 'instagram_accounts') }}

)

{% call as_shape('followers') %}
select
    day,
    date as date_day,
    account_id,
    network,
    account_name,
    followers_count as followers,
    true as is_exact
from counted
{% endcall %}
