-- Whose touches count for a conversion: the lead's own; for a deal and its order those of every contact of the deal.
with conversions as (

    select distinct conversion_key, person_id, deal_key from {{ ref('int_conversions') }}

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }}

)

select conversion_key, person_id from conversions where person_id is not null
union
select conversions.conversion_key, deal_people.person_id
from conversions
inner join deal_people on conversions.deal_key = deal_people.deal_key
