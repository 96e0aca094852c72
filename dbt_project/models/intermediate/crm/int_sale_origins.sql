-- Deals and orders that say themselves where they came from, with whom they belong to; of nobody known they are
-- journeys of their own. Refunds came from nowhere: they follow their order.
{%- set tags = ['channel', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content'] %}
with named_deals as (

    select * from {{ ref('deals') }}

),

named_orders as (

    select * from {{ ref('orders') }} where not is_refund

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }} where is_primary

),

orders as (

    select * from {{ ref('int_orders_unioned') }}

)

select
    'deal:' || named_deals.deal_key as touch_id,
    'deal' as origin_kind,
    named_deals.deal_key as sale_key,
    coalesce(deal_people.person_id, named_deals.deal_key) as person_id,
    deal_people.person_id is null as is_of_nobody,
    named_deals.created_at as event_at,
    named_deals.source_system as crm,
    named_deals.is_export,
    named_deals.{{ tags | join(', named_deals.') }}
from named_deals
left join deal_people on named_deals.deal_key = deal_people.deal_key
where coalesce(named_deals.{{ tags | join(', named_deals.') }}) is not null

union all

select
    'order:' || named_orders.order_key as touch_id,
    'order' as origin_kind,
    named_orders.order_key as sale_key,
    coalesce(orders.lead_id, named_orders.order_key) as person_id,
    orders.lead_id is null as is_of_nobody,
    named_orders.ordered_at as event_at,
    named_orders.source_system as crm,
    named_orders.is_export,
    named_orders.{{ tags | join(', named_orders.') }}
from named_orders
inner join orders on named_orders.order_key = orders.order_key
where coalesce(named_orders.{{ tags | join(', named_orders.') }}) is not null
