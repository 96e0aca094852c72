-- Customers by the month in which they became one, month of age after month of age, up to the month that runs.
{%- set cuts = ['channel'] %}

with orders as (

    select * from {{ ref('fct_orders') }} where customer_id is not null

),

customers as (

    select
        customer_id,
        channel,
        cast(date_trunc('month', first_order_date) as date) as cohort_month
    from {{ ref('dim_customer') }}
    where first_order_date is not null

),

costs as (

    select * from {{ ref('fct_costs') }}

),

lengths as (

    select * from {{ ref('int_customer_activity_window') }}

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

months as (

    select
        calendar.month_start,
        max(calendar.date_day) as last_day,
        (extract(year from calendar.month_start) * 12 + extract(month from calendar.month_start)) as month_number
    from {{ ref('int_calendar') }} as calendar
    group by calendar.month_start

),

-- what was refunded in full before the first order that was not lies in the cohort's first month
months_of_customers as (

    select
        customers.customer_id,
        customers.channel,
        customers.cohort_month,
        case
            when orders.order_date < customers.cohort_month then customers.cohort_month
            else cast(date_trunc('month', orders.order_date) as date)
        end as month_start,
        sum(case when orders.kind = 'order' then 1 else 0 end) as orders,
        max(case when orders.kind = 'order' and not orders.is_fully_refunded then 1 else 0 end) as is_buyer,
        sum(orders.amount) as revenue,
        sum(orders.gross_margin_amount) as gross_profit,
        sum(case when orders.is_rate_missing then 1 else 0 end) as unconverted,
        sum(case when orders.amount is not null and orders.gross_margin_amount is null then 1 else 0 end) as without_margin
    from customers
    inner join orders on customers.customer_id = orders.customer_id
    group by
        customers.customer_id, customers.channel, customers.cohort_month,
        case
            when orders.order_date < customers.cohort_month then customers.cohort_month
            else cast(date_trunc('month', orders.order_date) as date)
        end

),

-- who is active at the end of a month, by the window that ends with it
active_months as (

    select distinct
        customers.customer_id,
        customers.channel,
        customers.cohort_month,
        months.month_start
    from customers
    inner join orders on customers.customer_id = orders.customer_id
    cross join lengths
    cross join clock
    inner join months
        on orders.order_date <= months.last_day
        and orders.order_date > case when months.last_day > clock.today then clock.today else months.last_day end - lengths.active_days
    where orders.kind = 'order' and not orders.is_fully_refunded and months.month_start <= clock.today

),

joined as (

    select
        coalesce(months_of_customers.customer_id, active_months.customer_id) as customer_id,
        coalesce(months_of_customers.channel, active_months.channel) as channel,
        coalesce(months_of_customers.cohort_month, active_months.cohort_month) as cohort_month,
        coalesce(months_of_customers.month_start, active_months.month_start) as month_start,
        case when active_months.customer_id is not null then 1 else 0 end as is_retained,
        coalesce(months_of_customers.is_buyer, 0) as is_buyer,
        coalesce(months_of_customers.orders, 0) as orders,
        coalesce(months_of_customers.revenue, 0) as revenue,
        coalesce(months_of_customers.gross_profit, 0) as gross_profit,
        coalesce(months_of_customers.unconverted, 0) as unconverted,
        coalesce(months_of_customers.without_margin, 0) as without_margin
    from months_of_customers
    full outer join active_months
        on months_of_customers.customer_id = active_months.customer_id
        and months_of_customers.month_start = active_months.month_start

),

-- a buyer who was not active when the month before ended has come back
with_returns as (

    select
        joined.*,
        case
            when
                joined.is_buyer = 1 and joined.month_start > joined.cohort_month
                and not coalesce(
                    lag(case when joined.is_retained = 1 then joined.month_start end) over (
                        partition by joined.customer_id order by joined.month_start
                    ) = cast(date_trunc('month', joined.month_start - 1) as date),
                    false
                )
                then 1
            else 0
        end as is_returned
    from joined

),

happened as (

    select
        cohort_month,
        month_start,
        channel,
        grouping(channel) as without_channel,
        sum(is_buyer) as active_customers,
        sum(is_retained) as retained_customers,
        sum(is_returned) as returned_customers,
        sum(orders) as orders,
        sum(revenue) as revenue,
        sum(gross_profit) as gross_profit,
        sum(unconverted) as unconverted,
        sum(without_margin) as without_margin
    from with_returns
    group by grouping sets ((cohort_month, month_start), (cohort_month, month_start, channel))

),

acquired as (

    select
        cohort_month,
        channel,
        grouping(channel) as without_channel,
        count(*) as customers
    from customers
    group by grouping sets ((cohort_month), (cohort_month, channel))

),

spent as (

    select
        cast(date_trunc('month', date_day) as date) as cohort_month,
        sum(case when cost_type = 'media' then amount else 0 end) as media_cost,
        sum(case when cost_type = 'media' and is_rate_missing then 1 else 0 end) as media_unconverted,
        sum(acquisition_amount) as loaded_cost,
        sum(case when is_rate_missing then 1 else 0 end) as unconverted
    from costs
    group by cast(date_trunc('month', date_day) as date)

),

ledger_months as (

    select distinct cast(date_trunc('month', date_day) as date) as cohort_month from costs where origin = 'ledger'

),

ledger as (

    select count(*) as months from ledger_months

),

members as (

    select
        cohort_month,
        case when without_channel = 0 then 'channel' else 'total' end as dimension,
        coalesce(channel, 'all') as member,
        customers
    from acquired

    union all

    -- cost that brought nobody is cost all the same
    select
        spent.cohort_month,
        'total' as dimension,
        'all' as member,
        0 as customers
    from spent
    left join acquired on spent.cohort_month = acquired.cohort_month
    where acquired.cohort_month is null

),

-- the customers of a channel are those whose lead it made; whom its cost brought, an attribution model says
costed as (

    select
        members.*,
        case
            when members.dimension = 'total' and coalesce(spent.media_unconverted, 0) = 0
                then coalesce(spent.media_cost, 0)
        end as media_cost,
        case
            when members.dimension = 'total' and coalesce(spent.unconverted, 0) = 0 then coalesce(spent.loaded_cost, 0)
        end as loaded_cost,
        case
            when members.dimension = 'total' then ledger_months.cohort_month is not null or ledger.months = 0
        end as is_cost_complete
    from members
    cross join ledger
    left join spent on members.cohort_month = spent.cohort_month
    left join ledger_months on members.cohort_month = ledger_months.cohort_month

),

-- a month in which nobody of the cohort bought is a month of its age all the same
cells as (

    select
        costed.*,
        months.month_start,
        months.last_day,
        cast(months.month_number - cohort_months.month_number as integer) as age_months,
        months.last_day < clock.today as is_mature,
        coalesce(happened.active_customers, 0) as active_customers,
        coalesce(happened.retained_customers, 0) as retained_customers,
        coalesce(happened.returned_customers, 0) as returned_customers,
        coalesce(happened.orders, 0) as orders,
        coalesce(happened.revenue, 0) as revenue,
        coalesce(happened.gross_profit, 0) as gross_profit,
        coalesce(happened.unconverted, 0) as unconverted,
        coalesce(happened.without_margin, 0) as without_margin
    from costed
    inner join months as cohort_months on costed.cohort_month = cohort_months.month_start
    cross join clock
    inner join months on months.month_start >= costed.cohort_month and months.month_start <= clock.today
    left join happened
        on costed.cohort_month = happened.cohort_month
        and months.month_start = happened.month_start
        and costed.member = coalesce(happened.channel, 'all')
        and costed.dimension = case when happened.without_channel = 0 then 'channel' else 'total' end

),

cumulated as (

    select
        cells.*,
        {%- for name in ['revenue', 'gross_profit', 'unconverted', 'without_margin'] %}
        sum(cells.{{ name }}) over (
            partition by cells.cohort_month, cells.dimension, cells.member order by cells.age_months
            rows between unbounded preceding and current row
        ) as {{ name }}_to_date{{ ',' if not loop.last }}
        {%- endfor %}
    from cells

),

known as (

    select
        cumulated.*,
        case when unconverted_to_date = 0 then {{ money('revenue_to_date') }} end as known_revenue,
        case
            when unconverted_to_date = 0 and without_margin_to_date = 0 then {{ money('gross_profit_to_date') }}
        end as known_gross_profit
    from cumulated

),

-- paid back: the first whole month of age by whose end the gross profit has reached the fully loaded cost
paid_back as (

    select
        cohort_month,
        dimension,
        member,
        min(age_months) as payback_months
    from known
    where is_mature and is_cost_complete and customers > 0 and loaded_cost > 0 and known_gross_profit >= loaded_cost
    group by cohort_month, dimension, member

)

select
    known.cohort_month,
    known.dimension,
    known.member,
    known.age_months,
    known.month_start,
    known.is_mature,
    known.customers,
    cast(known.active_customers as bigint) as active_customers,
    cast(known.retained_customers as bigint) as retained_customers,
    cast(known.returned_customers as bigint) as returned_customers,
    cast(known.orders as bigint) as orders,
    case when known.unconverted = 0 then {{ money('known.revenue') }} end as revenue,
    case when known.unconverted = 0 and known.without_margin = 0 then {{ money('known.gross_profit') }} end as gross_profit,
    known.known_revenue as revenue_to_date,
    known.known_gross_profit as gross_profit_to_date,
    {{ safe_divide('known.known_gross_profit', 'known.customers') }} as ltv_to_date,
    {{ money('known.media_cost') }} as media_cost,
    {{ money('known.loaded_cost') }} as loaded_cost,
    known.is_cost_complete,
    {{ safe_divide('known.known_gross_profit - known.media_cost', 'known.media_cost') }} as romi_to_date,
    cast(paid_back.payback_months as integer) as payback_months
from known
left join paid_back
    on known.cohort_month = paid_back.cohort_month
    and known.dimension = paid_back.dimension
    and known.member = paid_back.member
