-- Grain: order_key. What came to the balance for a charge, and what a refund or a dispute took of it again. A refund that failed
-- and a dispute that was won are none: what they took has come back. Stripe knows of no tax: amounts are all that was paid.
with transactions as (

    {{ newest_versions(source('raw_stripe', 'balance_transactions'), 'account_id, id', '_extracted_at desc, day desc') }}

),

charges as (

    {{ newest_versions(source('raw_stripe', 'charges'), 'account_id, id', '_extracted_at desc, day desc') }}

),

refunds as (

    {{ newest_versions(source('raw_stripe', 'refunds'), 'account_id, id', '_extracted_at desc, day desc') }}

),

disputes as (

    {{ newest_versions(source('raw_stripe', 'disputes'), 'account_id, id', '_extracted_at desc, day desc') }}

),

-- https://docs.stripe.com/reports/reporting-categories: of a charge that was captured in part two transactions make the amount
kinds as (

    select
        transactions.*,
        case
            when reporting_category in ('charge', 'partial_capture_reversal') then false
            when reporting_category in ('refund', 'refund_failure', 'dispute', 'dispute_reversal', 'charge_failure') then true
        end as is_refund
    from transactions

),

movements as (

    select
        account_id,
        source_id,
        currency_code,
        is_refund,
        min(created) as moved_at,
        sum(amount) as amount
    from kinds
    where is_refund is not null and source_id is not null
    group by account_id, source_id, currency_code, is_refund
    having (is_refund and sum(amount) < 0) or (not is_refund and sum(amount) > 0)

),

of_charges as (

    select
        movements.*,
        -- a charge that failed after it had come is taken back under its own id
        case
            when movements.is_refund then coalesce(refunds.charge_id, disputes.charge_id, charged.source_id)
            else movements.source_id
        end as charge_id
    from movements
    left join refunds on movements.account_id = refunds.account_id and movements.source_id = refunds.id
    left join disputes on movements.account_id = disputes.account_id and movements.source_id = disputes.id
    left join movements as charged
        on
            movements.account_id = charged.account_id
            and movements.source_id = charged.source_id
            and movements.currency_code = charged.currency_code
            and not charged.is_refund

),

rows_of_books as (

    select
        'stripe:' || of_charges.account_id || ':' || of_charges.charge_id as charge_key,
        'stripe:' || of_charges.account_id || ':' || of_charges.source_id as source_key,
        of_charges.account_id,
        of_charges.charge_id,
        of_charges.source_id,
        of_charges.currency_code,
        of_charges.is_refund,
        of_charges.moved_at,
        of_charges.amount,
        charges.customer_id,
        charges.email_hash,
        charges.{{ ['order_id', 'lead_id', 'deal_id', 'product'] | join(', charges.') }},
        charges.utm_{{ ['source', 'medium', 'campaign', 'term', 'content'] | join(', charges.utm_') }}
    from of_charges
    left join charges on of_charges.account_id = charges.account_id and of_charges.charge_id = charges.id

)

{% call as_shape('orders') %}
select
    case when is_refund then rows_of_books.source_key || ':taken_back' else rows_of_books.charge_key end as order_key,
    coalesce({{ known('rows_of_books.order_id') }}, rows_of_books.source_id) as order_id,
    case when is_refund then rows_of_books.charge_key end as refund_of_order_key,
    'stripe:customer:' || account_id || ':' || customer_id as customer_key,
    {{ known('rows_of_books.lead_id') }} as lead_id,
    {{ known('rows_of_books.deal_id') }} as deal_id,
    false as is_export,
    account_id,
    email_hash,
    currency_code,
    amount,
    is_refund,
    moved_at as ordered_at,
    false as ordered_at_is_day,
    {{ known('rows_of_books.product') }} as product,
    {% for tag in ['source', 'medium', 'campaign', 'term', 'content'] -%}
    case when not is_refund then {{ known('rows_of_books.utm_' ~ tag) }} end as utm_{{ tag }}{{ ',' if not loop.last }}
    {% endfor %}
from rows_of_books
{% endcall %}
