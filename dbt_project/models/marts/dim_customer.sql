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
        max(case when kind = 'order' then order_date end) as last_order_date
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
    {{ cuts_of('leads', ['channel', 'source', 'medium', 'campaign_key', 'country']) }}
from customers
left join leads on customers.lead_id = leads.lead_id
