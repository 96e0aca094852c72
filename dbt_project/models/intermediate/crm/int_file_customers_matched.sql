-- Files name customers by the company's own id, by e-mail or by phone. Keys that were seen together are one customer
-- (int_customer_keys_joined). The person behind one is known where a deal or an order names a lead, an e-mail or a
-- phone of the CRM beside it; the first such row decides for all of the customer's deals and orders.
with evidence as (

    select * from {{ ref('int_customer_evidence') }}

),

joined as (

    select * from {{ ref('int_customer_keys_joined') }}

),

groups as (

    select evidence as customer_key, evidence_root as group_key from joined
    union
    select id_value as customer_key, id_root as group_key from joined

),

keyed as (

    select customer_key, person_id, seen_at, evidence from evidence where customer_key is not null
    union all
    select buyer_key as customer_key, person_id, seen_at, evidence from evidence where buyer_key is not null

),

grouped as (

    select distinct keyed.customer_key, coalesce(groups.group_key, keyed.customer_key) as group_key
    from keyed
    left join groups on keyed.customer_key = groups.customer_key

),

people as (

    select
        grouped.group_key,
        {{ earliest('keyed.person_id', '(keyed.seen_at, keyed.evidence)') }} as person_id
    from grouped
    inner join keyed on grouped.customer_key = keyed.customer_key
    where keyed.person_id is not null
    group by grouped.group_key

)

select grouped.customer_key, grouped.group_key, people.person_id
from grouped
left join people on grouped.group_key = people.group_key
