-- Customers from one end of a period to the other: how many stayed, and what they pay. An end of a period is a window of
-- days that closes with it, so that a customer who buys now and then is not lost between two orders.
{%- set cuts = ['channel', 'country'] %}

with orders as (

    select * from {{ ref('fct_orders') }} where customer_id is not null

),

customers as (

    select * from {{ ref('dim_customer') }}

),

calendar as (

    select * from {{ ref('int_calendar') }}

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

first_days as (

    select min(order_date) as first_order_date from orders

),

lengths as (

    select * from {{ ref('int_customer_activity_window') }}

),

days as (

    select calendar.*
    from calendar
    cross join first_days
    cross join clock
    where calendar.date_day >= first_days.first_order_date and calendar.date_day <= clock.today

),

periods as (

    {% for grain, column in [
        ('week', 'week_start'), ('month', 'month_start'), ('quarter', 'fiscal_quarter_start'), ('year', 'fiscal_year_start')
    ] -%}
    select
        '{{ grain }}' as grain,
        {{ column }} as period_start,
        max(date_day) as last_day
    from days
    group by {{ column }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

ends as (

    select
        periods.grain,
        periods.period_start,
        lengths.active_days,
        periods.period_start - 1 as start_day,
        periods.period_start - lengths.active_days as start_from_day,
        periods.last_day as end_day,
        periods.last_day - (lengths.active_days - 1) as end_from_day
    from periods
    cross join lengths

),

placed as (

    select
        ends.grain,
        ends.period_start,
        orders.customer_id,
        orders.kind = 'order' and not orders.is_fully_refunded as is_purchase,
        orders.amount,
        orders.is_rate_missing,
        orders.order_date <= ends.start_day as is_at_start,
        orders.order_date >= ends.end_from_day as is_at_end
    from ends
    inner join orders on orders.order_date >= ends.start_from_day and orders.order_date <= ends.end_day
    -- a long period has days between its two windows
    where orders.order_date <= ends.start_day or orders.order_date >= ends.end_from_day

),

summed as (

    select
        grain,
        period_start,
        customer_id,
        max(case when is_at_end and is_purchase then 1 else 0 end) as kept,
        {{ money('coalesce(sum(case when is_at_start then amount end), 0)') }} as revenue_at_start,
        {{ money('coalesce(sum(case when is_at_end then amount end), 0)') }} as revenue_at_end,
        max(case when is_rate_missing then 1 else 0 end) as unconverted
    from placed
    group by grain, period_start, customer_id
    having max(case when is_at_start and is_purchase then 1 else 0 end) = 1

),

-- a refund of an earlier order does not make anybody pay less than nothing, and who pays nothing cannot pay less
paid as (

    select
        summed.grain,
        summed.period_start,
        customers.channel,
        customers.country,
        summed.kept,
        case when summed.revenue_at_start > 0 then summed.revenue_at_start else 0 end as revenue_at_start,
        case
            when summed.revenue_at_start > 0 and summed.revenue_at_end > 0 then summed.revenue_at_end
            else 0
        end as revenue_at_end,
        summed.unconverted
    from summed
    inner join customers on summed.customer_id = customers.customer_id

),

counted as (

    select
        grain,
        period_start,
        {{ cuts | join(', ') }},
        {%- for cut in cuts %}
        grouping({{ cut }}) as without_{{ cut }},
        {%- endfor %}
        count(*) as customers_at_start,
        cast(sum(kept) as bigint) as customers_kept,
        sum(revenue_at_start) as revenue_at_start,
        sum(revenue_at_end) as revenue_at_end,
        sum(case when revenue_at_end > revenue_at_start then revenue_at_end - revenue_at_start else 0 end) as expansion,
        sum(
            case
                when revenue_at_end > 0 and revenue_at_end < revenue_at_start then revenue_at_start - revenue_at_end
                else 0
            end
        ) as contraction,
        sum(case when revenue_at_end = 0 then revenue_at_start else 0 end) as churned_revenue,
        cast(sum(unconverted) as bigint) as unconverted_customers
    from paid
    group by grouping sets ((grain, period_start){% for cut in cuts %}, (grain, period_start, {{ cut }}){% endfor %})

)

select
    counted.grain,
    counted.period_start,
    case
        {%- for cut in cuts %}
        when counted.without_{{ cut }} = 0 then '{{ cut }}'
        {%- endfor %}
        else 'total'
    end as dimension,
    coalesce(counted.{{ cuts | join(', counted.') }}, 'all') as member,
    ends.active_days,
    ends.end_day as counted_until,
    counted.customers_at_start,
    counted.customers_kept,
    {%- for column in ['revenue_at_start', 'revenue_at_end', 'expansion', 'contraction', 'churned_revenue'] %}
    case when counted.unconverted_customers = 0 then {{ money('counted.' ~ column) }} end as {{ column }},
    {%- endfor %}
    counted.unconverted_customers,
    {{ quality_flags([('ends.start_from_day < first_days.first_order_date', 'short_history')]) }} as quality
from counted
inner join ends on counted.grain = ends.grain and counted.period_start = ends.period_start
cross join first_days
