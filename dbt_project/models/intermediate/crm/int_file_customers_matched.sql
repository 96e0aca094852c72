-- Files name customers by the company's own id. The person behind one is known where a deal or an order names a lead
-- or an e-mail beside it; the first such row decides for all of the customer's deals and orders.
with deals as (

    select * from {{ ref('int_deals_unioned') }} where crm = 'files'

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }} where is_primary

),

order_people as (

    select * from {{ ref('int_file_orders_matched') }}

),

links as (

    select
        deals.company_key as customer_key,
        deal_people.person_id,
        deals.created_at as linked_at,
        deals.deal_key as link_key
    from deals
    inner join deal_people on deals.deal_key = deal_people.deal_key
    where deals.company_key is not null

    union all

    select customer_key, person_id, ordered_at as linked_at, order_key as link_key
    from order_people
    where customer_key is not null and person_id is not null

)

select customer_key, person_id
from links
qualify row_number() over (partition by customer_key order by linked_at, link_key) = 1
