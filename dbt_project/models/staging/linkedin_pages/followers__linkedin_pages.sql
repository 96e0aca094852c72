-- Grain: date_day, account_id.
{% call as_shape('followers') %}
select
    day,
    date as date_day,
    account_id,
    'linkedin' as network,
    firstdegreesize as followers,
    true as is_exact
from {{ source('raw_linkedin_pages', 'pages') }}
{% endcall %}
