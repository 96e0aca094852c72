with orders as (

    select * from {{ ref('int_orders_converted') }}

),

leads as (

    select * from {{ ref('fct_leads') }}

),

opportunities as (

    select * from {{ ref('fct_opportunities') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

-- who won the customer: for orders that name no owner and no deal
first_wins as (

    select customer_id, {{ earliest('sales_rep', '(closed_at, deal_id)') }} as sales_rep
    from opportunities
    where status = 'won' and sales_rep != '(not set)'
    group by customer_id

)

select
    ---------- ids
    orders.order_key as order_id,
    orders.source_system,
    orders.deal_key as deal_id,
    orders.customer_id,
    leads.lead_id,
    case when orders.is_refund then orders.refund_of_order_key end as refund_of_order_id,

    ---------- what and when
    case when orders.is_refund then 'refund' else 'order' end as kind,
    orders.ordered_at,
    orders.ordered_at_is_day,
    orders.order_date,
    coalesce(orders.product, '(not set)') as product,

    ---------- money
    {{ money('orders.amount_native') }} as amount_native,
    orders.currency_code,
    orders.amount,
    orders.amount_native is not null as is_amount_known,
    orders.is_rate_missing,
    orders.gross_margin_amount,

    ---------- customer
    orders.is_fully_refunded,
    orders.is_new_customer,
    case
        when orders.is_new_customer
            then coalesce(
                {{ day_difference('orders.next_order_date', 'orders.order_date') }} <= settings.maturity_repeat_purchase_days,
                false
            )
    end as is_repurchased_in_time,
    case
        when orders.is_new_customer then cast(settings.maturity_repeat_purchase_days as integer)
    end as repeat_purchase_days,
    case
        when orders.is_new_customer
            then orders.order_date + cast(settings.maturity_repeat_purchase_days as integer) < clock.today
    end as is_repeat_window_over,

    ---------- cuts: those of the lead, and the owner of the order, its deal or the customer's first won deal
    {{ cuts_of('leads', lead_cuts()) }},
    coalesce(
        orders.owner_id,
        nullif(opportunities.sales_rep, '(not set)'),
        case when orders.deal_key is null then first_wins.sales_rep end,
        '(not set)'
    ) as sales_rep

from orders
cross join settings
cross join clock
left join leads on orders.lead_id = leads.lead_id
left join opportunities on orders.deal_key = opportunities.deal_id
left join first_wins on orders.customer_id = first_wins.customer_id
