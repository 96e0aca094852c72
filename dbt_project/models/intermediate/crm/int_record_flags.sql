-- What is wrong with the records behind a KPI, by day: closes that nobody dated, orders whose buyer nobody knows.
with settings as (

    select revenue_truth, reporting_time_zone from {{ ref('stg_config__settings') }}

),

-- an undated close may lie on any day since the deal was created
undated as (

    select
        min(case when not deals.is_refund then {{ reporting_date('deals.created_at', 'settings.reporting_time_zone') }} end)
            as first_deal_day,
        min(case when deals.status = 'won' then {{ reporting_date('deals.created_at', 'settings.reporting_time_zone') }} end)
            as first_win_day
    from {{ ref('int_deals_resolved') }} as deals
    cross join settings
    where deals.is_truth and deals.status in ('won', 'lost') and deals.closed_at is null

),

days as (

    select days.date_day, undated.first_deal_day, undated.first_win_day, settings.revenue_truth
    from {{ ref('int_days_listed') }} as days
    cross join undated
    cross join settings
    cross join {{ ref('stg_config__clock') }} as clock
    where days.date_day <= clock.today

),

bought as (

    select
        order_date as date_day,
        count(case when customer_id is null then 1 end) as flagged,
        count(*) as total
    from {{ ref('int_orders_converted') }}
    where not is_refund
    group by order_date

),

with_unknown_buyers as (

    select max(case when flagged > 0 then 1 else 0 end) = 1 as has_any from bought

)

select 'deals.close' as subject, 'undated' as flag, date_day, cast(null as bigint) as flagged, cast(null as bigint) as total
from days
where date_day >= first_deal_day

union all

-- won deals are the orders
select 'orders' as subject, 'undated' as flag, date_day, cast(null as bigint) as flagged, cast(null as bigint) as total
from days
where date_day >= first_win_day and revenue_truth = 'crm'

union all

select 'buyers' as subject, 'unidentified' as flag, bought.date_day, bought.flagged, bought.total
from bought
cross join with_unknown_buyers
where with_unknown_buyers.has_any
