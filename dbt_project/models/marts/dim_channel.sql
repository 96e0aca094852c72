with known as (

    select * from {{ ref('int_channels') }}

),

-- what rules, wordings and costs named before a channel had to be declared is shown until they are read again
rules as (

    select distinct channel from {{ ref('int_channel_rule_parts') }}
    union
    select distinct channel from {{ ref('int_cost_lines') }}
    union
    select distinct channel from {{ ref('stg_config__self_reported_aliases') }} where channel is not null

)

select
    channel,
    is_paid,
    is_organic,
    is_social,
    channel_order
from known

union all

select
    rules.channel,
    false as is_paid,
    false as is_organic,
    false as is_social,
    50 as channel_order
from rules
left join known on rules.channel = known.channel
where known.channel is null
