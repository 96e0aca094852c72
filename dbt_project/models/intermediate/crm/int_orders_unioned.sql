-- Orders and refunds of the one source that is the truth for revenue: won deals, or the orders of a shop's or a billing system's books.
with settings as (

    select revenue_truth, crm_customer from {{ ref('stg_config__settings') }}

),

deals as (

    select * from {{ ref('int_deals_resolved') }} where is_truth

),

file_orders as (

    select * from {{ ref('int_file_orders_matched') }}

),

file_customers as (

    select * from {{ ref('int_file_customers_matched') }}

),

won_deals as (

    select
        deals.deal_key as order_key,
        deals.refund_of_deal_key as refund_of_order_key,
        deals.crm as source_system,
        deals.deal_key,
        deals.lead_id,
        deals.customer_id,
        deals.closed_at as ordered_at,
        deals.closed_at_is_day as ordered_at_is_day,
        deals.is_refund,
        deals.amount,
        deals.currency_code,
        deals.product,
        deals.owner_id
    from deals
    inner join settings on settings.revenue_truth = 'crm'
    -- of a win without a date nobody knows in which period it was ordered: audit_deals has it
    where deals.status = 'won' and deals.closed_at is not null

),

owned_file_orders as (

    select
        file_orders.*,
        coalesce(file_orders.person_id, file_customers.person_id, buyers.person_id) as lead_id,
        coalesce(file_customers.person_id, file_customers.group_key) as named_customer_id,
        buyers.group_key as buyer_group_key
    from file_orders
    left join file_customers on file_orders.customer_key = file_customers.customer_key
    left join file_customers as buyers on file_orders.buyer_key = buyers.customer_key

),

billed_orders as (

    select
        orders.order_key,
        orders.refund_of_order_key,
        orders.source_system,
        orders.deal_key,
        orders.lead_id,
        case
            when settings.crm_customer = 'company'
                then coalesce(orders.customer_key, deals.customer_id, orders.lead_id, orders.buyer_group_key)
            -- the company's own id of a customer stands above whom a single order names; who names nobody is unknown
            else coalesce(
                orders.named_customer_id, orders.lead_id, orders.customer_key, deals.customer_id, orders.buyer_group_key
            )
        end as customer_id,
        orders.ordered_at,
        orders.ordered_at_is_day,
        orders.is_refund,
        orders.amount,
        orders.currency_code,
        orders.product,
        orders.owner_id
    from owned_file_orders as orders
    inner join settings on orders.source_system = settings.revenue_truth
    left join deals on orders.deal_key = deals.deal_key

),

unioned as (

    select * from won_deals
    union all
    select * from billed_orders

)

select
    unioned.order_key,
    unioned.refund_of_order_key,
    unioned.source_system,
    coalesce(refunded.deal_key, unioned.deal_key) as deal_key,
    -- a refund belongs to whom its order belongs to
    coalesce(refunded.lead_id, unioned.lead_id) as lead_id,
    coalesce(refunded.customer_id, unioned.customer_id) as customer_id,
    unioned.ordered_at,
    unioned.ordered_at_is_day,
    unioned.is_refund,
    case when unioned.is_refund then -abs(unioned.amount) else unioned.amount end as amount,
    unioned.currency_code,
    coalesce(unioned.product, refunded.product) as product,
    coalesce(unioned.owner_id, refunded.owner_id) as owner_id
from unioned
left join unioned as refunded on unioned.refund_of_order_key = refunded.order_key
