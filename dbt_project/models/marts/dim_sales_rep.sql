with owners as (

    select * from {{ ref('owners') }}

),

records as (

    select owner_id from {{ ref('int_crm_records_unioned') }}

),

deals as (

    select owner_id from {{ ref('int_deals_unioned') }}

),

file_orders as (

    select owner_id from {{ ref('int_file_orders_matched') }}

),

-- files name salespeople by id alone, and a CRM's former owners may be gone from its list
mentioned as (

    select owner_id as sales_rep from owners
    union
    select owner_id as sales_rep from records where owner_id is not null
    union
    select owner_id as sales_rep from deals where owner_id is not null
    union
    select owner_id as sales_rep from file_orders where owner_id is not null

)

select
    mentioned.sales_rep,
    coalesce(owners.owner_name, mentioned.sales_rep) as sales_rep_name,
    coalesce(owners.is_archived, false) as is_archived
from mentioned
left join owners on mentioned.sales_rep = owners.owner_id

union all

select '(not set)' as sales_rep, '(not set)' as sales_rep_name, false as is_archived
