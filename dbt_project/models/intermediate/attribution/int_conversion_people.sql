-- Whose touches count for a conversion: the lead's own; for a deal and its order those of every contact of the deal; for
-- those of nobody known what they say themselves of their origin.
with conversions as (

    select distinct conversion_key, conversion_id, person_id, deal_key from {{ ref('int_conversions') }}

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }}

),

sales_of_nobody as (

    select sale_key, person_id from {{ ref('int_sale_origins') }} where is_of_nobody

)

select conversion_key, person_id from conversions where person_id is not null
union
select conversions.conversion_key, deal_people.person_id
from conversions
inner join deal_people on conversions.deal_key = deal_people.deal_key
union
select conversions.conversion_key, sales_of_nobody.person_id
from conversions
inner join sales_of_nobody on conversions.conversion_id = sales_of_nobody.sale_key
union
select conversions.conversion_key, sales_of_nobody.person_id
from conversions
inner join sales_of_nobody on conversions.deal_key = sales_of_nobody.sale_key
