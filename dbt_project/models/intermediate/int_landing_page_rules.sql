{{ config(materialized='view') }}
select count(*) > 0 as have_landing_page
from {{ ref('int_channel_rule_parts') }}
where part = 'landing_page'
