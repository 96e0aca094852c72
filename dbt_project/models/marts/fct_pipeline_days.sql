-- Grain: date_day, sales_rep, channel. Each day has a row, also one on which nothing was open: a state can then be told from a
-- day of which nothing is known.
with deals as (

    -- of a closed deal that has no day of its close nobody knows how long it was open
    select *
    from {{ ref('fct_opportunities') }}
    where status = 'open' or closed_date is not null

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

days as (

    select listed.date_day
    from {{ ref('int_days_listed') }} as listed
    cross join clock
    where listed.date_day between (select min(deals.created_date) from deals) and clock.today

),

-- at the end of the day
open_deals as (

    select
        days.date_day,
        deals.sales_rep,
        deals.channel,
        1 as open_deals,
        case when deals.amount is not null then 1 else 0 end as valued_deals,
        case when deals.is_rate_missing then 1 else 0 end as unconverted_deals,
        deals.amount
    from days
    inner join deals
        on days.date_day >= deals.created_date and (deals.status = 'open' or days.date_day < deals.closed_date)

),

unioned as (

    select * from open_deals

    union all

    select
        date_day,
        '(not set)' as sales_rep,
        'Unassigned' as channel,
        cast(null as integer) as open_deals,
        cast(null as integer) as valued_deals,
        cast(null as integer) as unconverted_deals,
        cast(null as decimal(24, 6)) as amount
    from days

)

select
    date_day,
    sales_rep,
    channel,
    cast(sum(open_deals) as bigint) as open_deals,
    cast(sum(valued_deals) as bigint) as valued_deals,
    cast(sum(unconverted_deals) as bigint) as unconverted_deals,
    {{ money('sum(amount)') }} as amount
from unioned
group by date_day, sales_rep, channel
