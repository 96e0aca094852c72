-- Grain: order_key. Orders in their newest version, refunds and cancellations as rows of their own; test orders and void ones are left out.
with versions as (

    {{ newest_versions(source('raw_shopify', 'orders'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

settings as (

    select revenue_amounts from {{ ref('stg_config__settings') }}

),

orders as (

    select
        versions.*,
        'shopify:' || versions.account_id || ':' || versions.id as order_key,
        -- one brought in from another system was ordered before it was made here
        coalesce(versions.processed_at, versions.created_at) as ordered_at,
        -- where prices are with tax, the goods have the share of tax that all of the order has
        {{ order_amount(
            "case when versions.taxes_included and versions.total != 0"
            ~ " then round(" ~ safe_divide('versions.subtotal * (versions.total - versions.tax)', 'versions.total') ~ ", 2)"
            ~ " else versions.subtotal end",
            'versions.total'
        ) }} as amount
    from versions
    cross join settings
    -- what was never paid and is void is no order
    where not versions.is_test and coalesce(versions.financial_status, '') not in ('VOIDED', 'EXPIRED')

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

-- the visit that ended with the order says where it came from; one that came directly does not
visits as (

    select
        order_key,
        coalesce(
            last_visit_utm_source, last_visit_utm_medium, last_visit_utm_campaign, last_visit_utm_term, last_visit_utm_content
        ) is not null as is_last_tagged,
        case when last_visit_source_type = 'SEO' then lower(last_visit_source) end as engine
    from orders

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
        orders.*,
        {% for tag in ['source', 'medium', 'campaign', 'term', 'content'] -%}
        case
            when visits.is_last_tagged then orders.last_visit_utm_{{ tag }}
            {%- if tag in ('source', 'medium') %}
            when visits.engine is not null then {{ 'visits.engine' if tag == 'source' else "'organic'" }}
            {%- else %}
            when visits.engine is not null then null
            {%- endif %}
            else orders.first_visit_utm_{{ tag }}
        end as {{ tag }}{{ ',' if not loop.last }}
        {% endfor %}
    from movements
    inner join orders on movements.order_key = orders.order_key
    inner join visits on movements.order_key = visits.order_key

)

{% call as_shape('orders') %}
select
    movement_key as order_key,
    id as order_id,
    case when is_refund then rows_of_books.order_key end as refund_of_order_key,
    'shopify:customer:' || account_id || ':' || customer_id as customer_key,
    false as is_export,
    account_id,
    email_hash,
    upper(currency_code) as currency_code,
    moved_amount as amount,
    is_refund,
    moved_at as ordered_at,
    false as ordered_at_is_day,
    case when not is_refund then {{ known('rows_of_books.source') }} end as utm_source,
    case when not is_refund then {{ known('rows_of_books.medium') }} end as utm_medium,
    case when not is_refund then {{ known('rows_of_books.campaign') }} end as utm_campaign,
    case when not is_refund then {{ known('rows_of_books.term') }} end as utm_term,
    case when not is_refund then {{ known('rows_of_books.content') }} end as utm_content
from rows_of_books
{% endcall %}
