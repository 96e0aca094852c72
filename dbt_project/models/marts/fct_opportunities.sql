with leads as (

    select * from {{ ref('fct_leads') }}

),

rates as (

    select * from {{ ref('int_exchange_rates_daily') }}

),

dated as (

    {{ deals_with_days('deals.is_truth and not deals.is_refund') }}

)

select
    ---------- ids
    dated.deal_key as deal_id,
    dated.crm,
    dated.crm_deal_id,
    leads.lead_id,
    dated.customer_id,

    ---------- state
    coalesce(dated.pipeline, '(not set)') as pipeline,
    coalesce(dated.stage, '(not set)') as stage,
    dated.status,
    dated.created_at,
    dated.created_at_is_day,
    dated.created_date,
    dated.closed_at,
    dated.closed_at_is_day,
    dated.closed_date,

    ---------- money: at the rate of the day it closed, of an open deal at the latest one
    {{ money('dated.amount') }} as amount_native,
    dated.currency_code,
    {{ convert_amount(
        'dated.amount', 'dated.currency_code', 'rates.rate_to_reporting', 'dated.reporting_currency'
    ) }} as amount,
    {{ is_rate_missing(
        'dated.amount', 'dated.currency_code', 'rates.rate_to_reporting', 'dated.reporting_currency'
    ) }} as is_rate_missing,
    coalesce(dated.product, '(not set)') as product,

    ---------- order and length
    dated.deal_number = 1 as is_first_deal,
    dated.sales_cycle_days,

    ---------- cuts: those of the lead, and the deal's own owner
    {{ cuts_of('leads', lead_cuts()) }},
    coalesce(dated.owner_id, '(not set)') as sales_rep

from dated
left join leads on dated.lead_id = leads.lead_id
left join rates
    on coalesce(dated.closed_date, dated.today) = rates.date_day and dated.currency_code = rates.currency_code
