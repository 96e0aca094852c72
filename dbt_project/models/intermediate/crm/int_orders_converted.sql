-- Orders in the reporting currency, and which of them makes a customer new: the first one not fully refunded.
with orders as (

    select * from {{ ref('int_orders_unioned') }}

),

rates as (

    select * from {{ ref('int_exchange_rates_daily') }}

),

margins as (

    select lower(trim(product)) as product, max(gross_margin) as gross_margin
    from {{ ref('stg_config__gross_margins') }}
    group by lower(trim(product))

),

settings as (

    select reporting_time_zone, reporting_currency, gross_margin_default from {{ ref('stg_config__settings') }}

),

dated as (

    select
        orders.*,
        settings.reporting_currency,
        settings.gross_margin_default,
        {{ reporting_date('orders.ordered_at', 'settings.reporting_time_zone') }} as order_date
    from orders
    cross join settings

),

converted as (

    select
        dated.*,
        {{ convert_amount(
            'dated.amount', 'dated.currency_code', 'rates.rate_to_reporting', 'dated.reporting_currency'
        ) }} as reporting_amount,
        {{ is_rate_missing(
            'dated.amount', 'dated.currency_code', 'rates.rate_to_reporting', 'dated.reporting_currency'
        ) }} as is_rate_missing,
        coalesce(margins.gross_margin, dated.gross_margin_default) as gross_margin
    from dated
    left join rates on dated.order_date = rates.date_day and dated.currency_code = rates.currency_code
    left join margins on lower(trim(dated.product)) = margins.product

),

refunds as (

    select
        refunds.refund_of_order_key as order_key,
        -- in the order's own currency if all refunds are: a rate that moved must not leave a rest
        case
            when count(case when refunds.currency_code = orders.currency_code then 1 end) = count(*)
                then sum(refunds.amount) + min(orders.amount) <= 0
            else sum(refunds.reporting_amount) + min(orders.reporting_amount) <= 0
        end as is_fully_refunded
    from converted as refunds
    inner join converted as orders on refunds.refund_of_order_key = orders.order_key
    where refunds.is_refund and not orders.is_refund
    group by refunds.refund_of_order_key

),

judged as (

    select
        converted.*,
        -- unknown amounts prove nothing
        not converted.is_refund and coalesce(refunds.is_fully_refunded, false) as is_fully_refunded
    from converted
    left join refunds on converted.order_key = refunds.order_key

)

select
    order_key,
    refund_of_order_key,
    source_system,
    deal_key,
    lead_id,
    customer_id,
    ordered_at,
    ordered_at_is_day,
    order_date,
    is_refund,
    is_fully_refunded,
    not is_refund and not is_fully_refunded and customer_id is not null
    and row_number() over (
        partition by customer_id, is_refund, is_fully_refunded order by ordered_at, order_key
    ) = 1 as is_new_customer,
    case
        when not is_refund and not is_fully_refunded and customer_id is not null
            then lead(order_date) over (
                partition by customer_id, is_refund, is_fully_refunded order by ordered_at, order_key
            )
    end as next_order_date,
    amount as amount_native,
    currency_code,
    reporting_amount as amount,
    is_rate_missing,
    {{ money('cast(reporting_amount as double) * gross_margin') }} as gross_margin_amount,
    product,
    owner_id
from judged
