-- Deals whose dates cannot be right, and what they are worth.
with rates as (

    select * from {{ ref('int_exchange_rates_daily') }}

),

dated as (

    {{ deals_with_days("deals.is_truth and deals.status in ('won', 'lost')") }}

),

found as (

    select deal_key, 'undated' as finding from dated where closed_at is null
    union all
    select deal_key, 'closed_before_created' as finding from dated where is_closed_before_created
    union all
    select deal_key, 'closed_before_lead' as finding from dated where is_closed_before_cycle and not is_closed_before_created

)

select
    dated.deal_key as deal_id,
    found.finding,
    dated.crm,
    dated.crm_deal_id,
    dated.status,
    dated.is_refund,
    case when dated.is_created_at_known then dated.created_date end as created_date,
    dated.closed_date,
    {{ money('dated.amount') }} as amount_native,
    dated.currency_code,
    {{ convert_amount(
        'dated.amount', 'dated.currency_code', 'rates.rate_to_reporting', 'dated.reporting_currency'
    ) }} as amount,
    coalesce(dated.owner_id, '(not set)') as sales_rep
from found
inner join dated on found.deal_key = dated.deal_key
left join rates
    on coalesce(dated.closed_date, dated.today) = rates.date_day and dated.currency_code = rates.currency_code
