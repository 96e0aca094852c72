-- Grain: date_day, account_id.
select
    day,
    date as date_day,
    account_id,
    'linkedin' as network,
    firstdegreesize as followers,
    true as is_exact,
    {{ not_given('followers', ['account_name', 'followers_gained', 'followers_lost']) }}
from {{ source('raw_linkedin_pages', 'pages') }}
