-- Grain: order_key. Orders in their newest version, refunds and cancellations as rows of their own; what was never paid for
-- is no order: drafts, failed and pending ones, and cancelled ones that nobody had paid.
with versions as (

    {{ newest_versions(source('raw_woocommerce', 'orders'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

settings as (

    select revenue_amounts from {{ ref('stg_config__settings') }}

),

-- when it was cancelled an order does not say: it was cancelled when it was first seen so
cancellations as (

    select account_id, id, min(updated_at) as cancelled_at
    from {{ source('raw_woocommerce', 'orders') }}
    where status = 'cancelled'
    group by account_id, id

),

orders as (

    select
        versions.*,
        'woocommerce:' || versions.account_id || ':' || versions.id as order_key,
        versions.created_at as ordered_at,
        case when versions.status = 'cancelled' then cancellations.cancelled_at end as cancelled_at,
        {{ order_amount('versions.total - versions.total_tax - versions.shipping_total', 'versions.total') }} as amount
    from versions
    cross join settings
    left join cancellations on versions.account_id = cancellations.account_id and versions.id = cancellations.id
    where
        versions.status not in ('pending', 'failed', 'draft', 'auto-draft', 'checkout-draft', 'trash')
        and (versions.status != 'cancelled' or versions.paid_at is not null)

),

entries as (

    select order_key, {{ explode('refunds') }} as entry from orders

),

refunds as (

    select
        order_key,
        order_key || ':refund:' || entry.id as refund_key,
        entry.created_at as refunded_at,
        entry.amount as total
    from entries

),

movements as (

    select * from {{ order_movements('orders', 'refunds') }} as moved

),

rows_of_books as (

    select
        movements.movement_key,
        movements.is_refund,
        movements.moved_at,
        movements.amount as moved_amount,
        not movements.is_refund and coalesce(orders.source_type, '') not in ('typein', 'admin') as is_origin_told,
        orders.*
    from movements
    inner join orders on movements.order_key = orders.order_key

)

{% call as_shape('orders') %}
select
    movement_key as order_key,
    number as order_id,
    case when is_refund then rows_of_books.order_key end as refund_of_order_key,
    'woocommerce:customer:' || account_id || ':' || customer_id as customer_key,
    false as is_export,
    account_id,
    email_hash,
    phone_hash,
    upper(currency_code) as currency_code,
    moved_amount as amount,
    is_refund,
    moved_at as ordered_at,
    false as ordered_at_is_day,
    {% for tag in ['source', 'medium', 'campaign', 'term', 'content'] -%}
    case when is_origin_told then {{ known('rows_of_books.utm_' ~ tag) }} end as utm_{{ tag }}{{ ',' if not loop.last }}
    {% endfor %}
from rows_of_books
{% endcall %}
