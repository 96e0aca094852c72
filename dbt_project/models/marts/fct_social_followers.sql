-- Grain: date_day, network, account_id.
with followers as (

    select * from {{ ref('followers') }}

),

-- of the days on which somebody looked: the one before
looked as (

    select
        date_day,
        source_system,
        network,
        account_id,
        lag(date_day) over (partition by source_system, network, account_id order by date_day) as previous_date_day,
        lag(followers) over (partition by source_system, network, account_id order by date_day) as previous_followers,
        lag(is_exact) over (partition by source_system, network, account_id order by date_day) as is_previous_exact
    from followers
    where followers is not null

)

select
    followers.date_day,
    followers.source_system,
    followers.network,
    followers.account_id,
    followers.account_name,
    followers.followers,
    followers.is_exact,
    followers.followers_gained,
    followers.followers_lost,
    looked.previous_date_day,
    looked.previous_followers,
    case
        when followers.is_exact and looked.is_previous_exact then followers.followers - looked.previous_followers
    end as followers_change
from followers
left join looked
    on
        followers.date_day = looked.date_day
        and followers.source_system = looked.source_system
        and followers.network = looked.network
        and followers.account_id = looked.account_id
