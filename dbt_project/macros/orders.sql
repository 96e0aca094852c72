{# Orders of shops and of whoever takes payments: what was sold, given back and cancelled, each on its own day. #}

{#
  The amount of an order by the rule `revenue_amounts`: net of tax and shipping, or all that was paid. `settings` is the
  alias of stg_config__settings.
#}
{% macro order_amount(net, gross, settings='settings') -%}
    {{ money("case when " ~ settings ~ ".revenue_amounts = 'gross' then " ~ gross ~ " else " ~ net ~ " end") }}
{%- endmacro %}

{#
  Grain: movement_key. Orders, and what takes them back: refunds, and of a cancelled order what no refund has taken.

  `orders`: order_key, ordered_at, amount (by the rule), total (all that was paid), cancelled_at. `refunds`: order_key,
  refund_key, refunded_at, total (positive). A shop says of a refund how much was paid, and not how much of that was tax: its
  amount is the same share of the order's as of its total. Refunds are added up before they are rounded, so that together
  they take back what there was, to the last digit.
#}
{% macro order_movements(orders, refunds) -%}
    (
        with added as (
            select
                refunds.order_key,
                refunds.refund_key,
                refunds.refunded_at,
                refunds.total,
                orders.amount as order_amount,
                orders.total as order_total,
                sum(refunds.total) over (
                    partition by refunds.order_key order by refunds.refunded_at, refunds.refund_key
                    rows between unbounded preceding and current row
                ) as total_so_far
            from {{ refunds }} as refunds
            inner join {{ orders }} as orders on refunds.order_key = orders.order_key
            where refunds.total != 0
        ),

        shared as (
            select
                order_key,
                refund_key,
                refunded_at,
                -- of an order without a total no share is known
                case
                    when order_total = 0 then total
                    else
                        {{ money(safe_divide('order_amount * total_so_far', 'order_total')) }}
                        - {{ money(safe_divide('order_amount * (total_so_far - total)', 'order_total')) }}
                end as amount
            from added
        ),

        taken as (
            select order_key, sum(amount) as amount from shared group by order_key
        )

        select
            order_key as movement_key,
            order_key,
            false as is_refund,
            ordered_at as moved_at,
            amount
        from {{ orders }}

        union all

        select refund_key as movement_key, order_key, true as is_refund, refunded_at as moved_at, -amount as amount
        from shared

        union all

        select
            orders.order_key || ':cancelled' as movement_key,
            orders.order_key,
            true as is_refund,
            orders.cancelled_at as moved_at,
            coalesce(taken.amount, 0) - orders.amount as amount
        from {{ orders }} as orders
        left join taken on orders.order_key = taken.order_key
        where orders.cancelled_at is not null and orders.amount > coalesce(taken.amount, 0)
    )
{%- endmacro %}
