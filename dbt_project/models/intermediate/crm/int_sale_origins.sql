-- Deals and orders of files that say themselves where they came from, with whom they belong to; of nobody known they are
-- journeys of their own. Refunds came from nowhere: they follow their order.
{%- set tags = ['channel', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content'] %}
with file_deals as (

    select 'files:' || account_id || ':' || deal_id as deal_key, * from {{ ref('stg_files__deals') }}

),

file_orders as (

    select 'files:' || account_id || ':' || order_id as order_key, * from {{ ref('stg_files__orders') }} where not is_refund

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }} where is_primary

),

orders as (

    select * from {{ ref('int_orders_unioned') }}

)

select
    'deal:' || file_deals.deal_key as touch_id,
    'deal' as origin_kind,
    file_deals.deal_key as sale_key,
    coalesce(deal_people.person_id, file_deals.deal_key) as person_id,
    deal_people.person_id is null as is_of_nobody,
    file_deals.created_at as event_at,
    file_deals.{{ tags | join(', file_deals.') }}
from file_deals
left join deal_people on file_deals.deal_key = deal_people.deal_key
where coalesce(file_deals.{{ tags | join(', file_deals.') }}) is not null

union all

select
    'order:' || file_orders.order_key as touch_id,
    'order' as origin_kind,
    file_orders.order_key as sale_key,
    coalesce(orders.lead_id, file_orders.order_key) as person_id,
    orders.lead_id is null as is_of_nobody,
    file_orders.ordered_at as event_at,
    file_orders.{{ tags | join(', file_orders.') }}
from file_orders
inner join orders on file_orders.order_key = orders.order_key
where coalesce(file_orders.{{ tags | join(', file_orders.') }}) is not null
