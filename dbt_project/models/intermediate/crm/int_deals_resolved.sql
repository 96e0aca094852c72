-- Whose a deal is, which of two CRMs it is taken from, and how long it took.
with deals as (

    select * from {{ ref('int_deals_unioned') }}

),

deal_people as (

    select * from {{ ref('int_deal_people_matched') }} where is_primary

),

file_customers as (

    select * from {{ ref('int_file_customers_matched') }}

),

people as (

    select distinct person_id, person_created_at from {{ ref('int_people_deduplicated') }}

),

settings as (

    select crm_customer from {{ ref('stg_config__settings') }}

),

owned as (

    select
        deals.*,
        coalesce(deal_people.person_id, file_customers.person_id) as person_id
    from deals
    left join deal_people on deals.deal_key = deal_people.deal_key
    left join file_customers on deals.company_key = file_customers.customer_key

),

named as (

    select
        owned.*,
        people.person_created_at,
        case
            when settings.crm_customer = 'company' then coalesce(owned.company_key, owned.person_id, owned.deal_key)
            else coalesce(owned.person_id, owned.company_key, owned.deal_key)
        end as customer_id,
        -- a person whom two CRMs know has the deals of the first one named in crm.truth
        owned.person_id is null
        or owned.crm_rank = min(owned.crm_rank) over (partition by owned.person_id) as is_truth
    from owned
    cross join settings
    left join people on owned.person_id = people.person_id

),

ordered as (

    select
        *,
        -- refunds are no deals of their own
        case
            when is_truth and not is_refund
                then row_number() over (partition by customer_id, is_truth, is_refund order by created_at, deal_key)
        end as deal_number
    from named

)

select
    deal_key,
    crm,
    crm_deal_id,
    person_id as lead_id,
    customer_id,
    pipeline,
    stage,
    status,
    created_at,
    closed_at,
    amount,
    currency_code,
    product,
    owner_id,
    is_refund,
    refund_of_deal_key,
    is_truth,
    deal_number,
    case
        when status = 'won' and deal_number = 1
            then {{ days_between('coalesce(person_created_at, created_at)', 'closed_at') }}
        when status = 'won' and deal_number > 1 then {{ days_between('created_at', 'closed_at') }}
    end as sales_cycle_days
from ordered
