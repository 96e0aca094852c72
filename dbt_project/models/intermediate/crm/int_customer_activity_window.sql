-- how many days an order keeps a customer active: the setting, or of `auto` the gap that 95 of 100 do not exceed
with settings as (

    select * from {{ ref('stg_config__settings') }}

),

purchase_days as (

    select distinct customer_id, order_date
    from {{ ref('int_orders_converted') }}
    where customer_id is not null and not is_refund and not is_fully_refunded

),

gaps as (

    select
        {{ day_difference(
            'order_date', 'lag(order_date) over (partition by customer_id order by order_date)'
        ) }} as gap_days
    from purchase_days

),

ranked as (

    select
        gap_days,
        row_number() over (order by gap_days) as place,
        count(*) over () as gaps
    from gaps
    where gap_days is not null

),

-- nearest rank: the smallest gap that at least 95 of 100 do not exceed
usual as (

    select min(gap_days) as gap_days from ranked where place * 100 >= gaps * 95

)

-- without a setting and a second order there is nothing to go by: the default
select cast(coalesce(settings.maturity_active_customer_days, usual.gap_days, 90) as integer) as active_days
from settings
cross join usual
