-- Who the deals of exports and the orders say their customer is: the company's own id (customer_key), the e-mail or phone of
-- somebody (buyer_key), and the person of the CRM behind them.
with settings as (

    select identity_records_per_id from {{ ref('stg_config__settings') }}

),

deals as (

    select * from {{ ref('int_deals_unioned') }} where is_export

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }} where is_primary

),

orders as (

    select * from {{ ref('int_file_orders_matched') }}

),

named as (

    select
        deals.deal_key as evidence,
        deals.created_at as seen_at,
        deals.company_key as customer_key,
        {{ buyer_key('deals') }} as buyer_key,
        deal_people.person_id
    from deals
    left join deal_people on deals.deal_key = deal_people.deal_key

    union all

    select order_key as evidence, ordered_at as seen_at, customer_key, buyer_key, person_id
    from orders

),

-- one e-mail beside very many customers is the shop's own
key_uses as (

    select buyer_key, count(distinct customer_key) as customers
    from named
    where buyer_key is not null
    group by buyer_key

)

select
    named.evidence,
    named.seen_at,
    named.customer_key,
    case when key_uses.customers <= settings.identity_records_per_id then named.buyer_key end as buyer_key,
    named.person_id
from named
cross join settings
left join key_uses on named.buyer_key = key_uses.buyer_key
where coalesce(named.customer_key, named.buyer_key) is not null
