-- a user rule holds when all of its parts hold; each part is one pattern on one column
with rules as (

    select * from {{ ref('stg_config__channel_rules') }}

),

parts as (

    select rule_position, channel, 'source' as part, source_pattern as pattern from rules
    union all
    select rule_position, channel, 'medium' as part, medium_pattern as pattern from rules
    union all
    select rule_position, channel, 'campaign' as part, campaign_pattern as pattern from rules
    union all
    select rule_position, channel, 'landing_page' as part, landing_page_pattern as pattern from rules

)

select
    rule_position,
    part,
    channel,
    '(?i)' || pattern as pattern,
    count(*) over (partition by rule_position) as parts
from parts
where pattern is not null
