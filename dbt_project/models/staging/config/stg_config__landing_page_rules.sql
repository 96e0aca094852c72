-- one row: whether a rule of the company names landing pages
select count(landing_page_pattern) > 0 as have_landing_page
from {{ ref('stg_config__channel_rules') }}
