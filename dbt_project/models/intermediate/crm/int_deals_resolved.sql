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

    select distinct person_id, person_created_at, person_created_at_is_day from {{ ref('int_people_deduplicated') }}

),

settings as (

    select crm_customer, reporting_time_zone from {{ ref('stg_config__settings') }}

),

owned as (

    select
        deals.*,
        coalesce(deal_people.person_id, file_customers.person_id, buyers.person_id) as person_id,
        coalesce(file_customers.person_id, file_customers.group_key) as named_customer_id,
        buyers.group_key as buyer_group_key
    from deals
    left join deal_people on deals.deal_key = deal_people.deal_key
    left join file_customers on deals.company_key = file_customers.customer_key
    left join file_customers as buyers on deals.is_export and {{ buyer_key('deals') }} = buyers.customer_key

),

named as (

    select
        owned.*,
        people.person_created_at,
        people.person_created_at_is_day,
        settings.reporting_time_zone,
        case
            when settings.crm_customer = 'company'
                then coalesce(owned.company_key, owned.person_id, owned.buyer_group_key, owned.deal_key)
            -- the company's own id of a customer stands above whom a single deal names
            else coalesce(owned.named_customer_id, owned.person_id, owned.company_key, owned.buyer_group_key, owned.deal_key)
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

),

-- a customer's first deal began with the person, later ones with themselves
begun as (

    select
        *,
        case
            when deal_number = 1 and person_created_at is not null then person_created_at
            when is_created_at_known then created_at
        end as cycle_start_at,
        case
            when deal_number = 1 and person_created_at is not null then person_created_at_is_day
            else created_at_is_day
        end as cycle_start_is_day
    from ordered

),

timed as (

    select
        *,
        is_created_at_known
        and {{ end_of_moment('closed_at', 'closed_at_is_day', 'reporting_time_zone') }} < created_at as is_closed_before_created,
        case
            when status = 'won' and deal_number is not null
                then {{ days_known_between('cycle_start_at', 'cycle_start_is_day', 'closed_at', 'closed_at_is_day', 'reporting_time_zone') }}
        end as days_to_win
    from begun

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
    created_at_is_day,
    is_created_at_known,
    closed_at,
    closed_at_is_day,
    amount,
    currency_code,
    product,
    owner_id,
    is_refund,
    refund_of_deal_key,
    is_truth,
    deal_number,
    coalesce(is_closed_before_created, false) as is_closed_before_created,
    coalesce(days_to_win < 0, false) as is_closed_before_cycle,
    -- a close before the beginning is an error of the data: it says nothing of how long it took
    case when days_to_win >= 0 and not coalesce(is_closed_before_created, false) then days_to_win end as sales_cycle_days
from timed
