-- the channels that everybody has, and those that the company declared
with standard as (

    select * from {{ ref('channels') }}

),

own as (

    select * from {{ ref('stg_config__own_channels') }}

)

select
    channel,
    is_paid,
    is_organic,
    is_social,
    channel_order
from standard

union all

select
    channel,
    false as is_paid,
    false as is_organic,
    false as is_social,
    50 as channel_order
from own
