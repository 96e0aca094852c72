-- Orders of the books with the person and the deal that they name themselves: by lead, by deal, by e-mail (by phone, where
-- there is none), in this order; an order that names nobody is of whose browser it was made in.
with orders as (

    select * from {{ ref('orders') }}

),

deals as (

    select * from {{ ref('int_deals_unioned') }}

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }} where is_primary

),

person_keys as (

    select * from {{ ref('int_person_keys_resolved') }}

),

order_people as (

    select evidence, min(person_id) as person_id
    from {{ ref('int_identity_links') }}
    where evidence_kind = 'order' and is_link
    group by evidence

),

lead_ids as (

    select * from {{ ref('int_lead_ids_resolved') }}

),

-- a deal of any CRM will do; exports come first
named_deals as (

    select crm_deal_id as deal_id, deal_key
    from deals
    qualify row_number() over (
        partition by crm_deal_id order by case when is_export then 0 else 1 end, deal_key
    ) = 1

)

select
    orders.order_key,
    orders.refund_of_order_key,
    orders.source_system,
    named_deals.deal_key,
    orders.customer_key,
    {{ buyer_key('orders') }} as buyer_key,
    coalesce(own_leads.person_id, other_leads.person_id, deal_people.person_id, person_keys.person_id, order_people.person_id)
        as person_id,
    orders.ordered_at,
    orders.ordered_at_is_day,
    orders.amount,
    orders.currency_code,
    orders.is_refund,
    orders.product,
    orders.owner_id
from orders
left join lead_ids as own_leads on orders.lead_id = own_leads.lead_id and orders.account_id = own_leads.account_id
left join lead_ids as other_leads on orders.lead_id = other_leads.lead_id and other_leads.preference = 1
left join named_deals on orders.deal_id = named_deals.deal_id
left join deal_people on named_deals.deal_key = deal_people.deal_key
left join person_keys
    on
        case when orders.email_hash is null then 'phone' else 'email' end = person_keys.key_kind
        and coalesce(orders.email_hash, orders.phone_hash) = person_keys.key_value
left join order_people on 'order:' || orders.account_id || ':' || orders.order_id = order_people.evidence
