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

),

named as (

    select channel, is_paid, is_organic, is_social, channel_order from known

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

),

-- cost that could not be converted is cost all the same
costed as (

    select distinct channel from {{ ref('fct_costs') }} where cost_type = 'media' and amount_native != 0

)

select
    named.channel,
    named.is_paid,
    named.is_organic,
    named.is_social,
    named.channel_order,
    costed.channel is not null as has_media_cost
from named
left join costed on named.channel = costed.channel
