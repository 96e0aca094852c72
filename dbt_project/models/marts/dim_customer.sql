with orders as (

    select * from {{ ref('fct_orders') }}

),

leads as (

    select * from {{ ref('fct_leads') }}

),

customers as (

    select
        customer_id,
        {{ earliest('lead_id', '(ordered_at, order_id)') }} as lead_id,
        min(case when is_new_customer then ordered_at end) as customer_since_at,
        min(case when is_new_customer then order_date end) as first_order_date,
        {{ earliest("case when is_new_customer then order_id end", 'ordered_at') }} as first_order_id,
        max(case when kind = 'order' then order_date end) as last_order_date,
        sum(case when kind = 'order' then 1 else 0 end) as orders_to_date,
        sum(amount) as revenue_to_date,
        sum(gross_margin_amount) as gross_profit_to_date,
        sum(case when is_rate_missing then 1 else 0 end) as unconverted,
        sum(case when amount is not null and gross_margin_amount is null then 1 else 0 end) as without_margin
    from orders
    where customer_id is not null
    group by customer_id

)

select
    customers.customer_id,
    case
        when customers.customer_id = customers.lead_id then 'person'
        when customers.customer_id like '%:company:%' or customers.customer_id like '%:customer:%' then 'company'
        when customers.customer_id like '%:email:%' or customers.customer_id like '%:phone:%' then 'buyer'
        else 'deal'
    end as customer_kind,
    customers.lead_id,
    customers.customer_since_at,
    customers.first_order_date,
    customers.first_order_id,
    customers.last_order_date,
    cast(customers.orders_to_date as bigint) as orders_to_date,
    case when customers.unconverted = 0 then {{ money('coalesce(customers.revenue_to_date, 0)') }} end as revenue_to_date,
    case
        when customers.unconverted = 0 and customers.without_margin = 0
            then {{ money('coalesce(customers.gross_profit_to_date, 0)') }}
    end as gross_profit_to_date,
    customers.unconverted > 0 as is_rate_missing,
    {{ cuts_of('leads', ['channel', 'source', 'medium', 'campaign_key', 'country']) }}
from customers
left join leads on customers.lead_id = leads.lead_id
