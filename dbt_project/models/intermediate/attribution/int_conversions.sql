-- What is credited to touches: stages that leads reached, deals created, orders; and refunds as entries of their order.
{%- set stages = conversion_stages() %}
{%- set kinds = conversion_types() %}
with leads as (

    select * from {{ ref('int_lead_stage_dates') }}

),

deals as (

    select * from {{ ref('int_deals_resolved') }} where is_truth and not is_refund

),

orders as (

    select * from {{ ref('int_orders_converted') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

entries as (

    {% for stage in stages -%}
    select
        '{{ stage }}' as conversion_type,
        lead_id as conversion_id,
        'conversion' as entry,
        lead_id as entry_id,
        lead_id as person_id,
        cast(null as string) as deal_key,
        {{ stage }}_at as conversion_at,
        {{ stage }}_at as ended_at,
        {{ stage }}_at_is_day as ended_at_is_day,
        cast(null as decimal(24, 6)) as revenue,
        cast(null as decimal(24, 6)) as gross_margin,
        false as is_amount_known,
        false as is_new_customer,
        false as is_rate_missing
    from leads
    where {{ stage }}_at is not null

    union all

    {% endfor -%}
    select
        'opportunity' as conversion_type,
        deal_key as conversion_id,
        'conversion' as entry,
        deal_key as entry_id,
        lead_id as person_id,
        deal_key,
        created_at as conversion_at,
        created_at as ended_at,
        created_at_is_day as ended_at_is_day,
        cast(null as decimal(24, 6)) as revenue,
        cast(null as decimal(24, 6)) as gross_margin,
        false as is_amount_known,
        false as is_new_customer,
        false as is_rate_missing
    from deals

    union all

    -- a refund is no conversion: it takes its negative revenue, on its own day, to the touches of its order
    select
        'order' as conversion_type,
        coalesce(refunded.order_key, orders.order_key) as conversion_id,
        case when orders.is_refund then 'refund' else 'conversion' end as entry,
        orders.order_key as entry_id,
        coalesce(refunded.lead_id, orders.lead_id) as person_id,
        coalesce(refunded.deal_key, orders.deal_key) as deal_key,
        orders.ordered_at as conversion_at,
        coalesce(refunded.ordered_at, orders.ordered_at) as ended_at,
        coalesce(refunded.ordered_at_is_day, orders.ordered_at_is_day) as ended_at_is_day,
        orders.amount as revenue,
        orders.gross_margin_amount as gross_margin,
        orders.amount_native is not null and not orders.is_refund as is_amount_known,
        orders.is_new_customer,
        orders.is_rate_missing
    from orders
    -- one equality, so that the engine can hash it: with the flag beside it, it compares every order with every other
    left join orders as refunded
        on case when orders.is_refund then orders.refund_of_order_key end = refunded.order_key

),

-- what is known to the day only ends its path with that day
ended as (

    select
        entries.*,
        {{ end_of_moment('entries.ended_at', 'entries.ended_at_is_day', 'settings.reporting_time_zone') }} as path_end_at,
        {{ touches_until("date_trunc('second', entries.ended_at)", 'entries.ended_at_is_day', 'settings.reporting_time_zone') }}
            as touches_until
    from entries
    cross join settings

),

milestones as (

    select
        leads.lead_id,
        leads.opportunity_at,
        {% for stage in ['lead', 'opportunity'] -%}
        {{ touches_until('leads.' ~ stage ~ '_at', 'leads.' ~ stage ~ '_at_is_day', 'settings.reporting_time_zone') }}
            as {{ stage }}_until{{ ',' if not loop.last }}
        {% endfor %}
    from leads
    cross join settings

),

lookbacks as (

    {% for kind in kinds -%}
    select '{{ kind }}' as conversion_type, attribution_lookback_days_{{ kind }} as lookback_days from settings
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- only where the rules say that an earlier conversion of the same kind ends the path
earlier as (

    select
        entries.conversion_type,
        entries.entry_id,
        lag(entries.touches_until) over (
            partition by entries.conversion_type, entries.person_id order by entries.path_end_at, entries.entry_id
        ) as earlier_touches_until
    from ended as entries
    cross join settings
    where settings.attribution_earlier_conversions_reset and entries.entry = 'conversion' and entries.person_id is not null

)

select
    entries.conversion_type || ':' || entries.conversion_id as conversion_key,
    entries.conversion_type,
    entries.conversion_id,
    entries.entry,
    entries.entry_id,
    milestones.lead_id,
    entries.person_id,
    entries.deal_key,
    entries.conversion_at,
    {{ reporting_date('entries.conversion_at', 'settings.reporting_time_zone') }} as conversion_date,
    {{ reporting_date('entries.path_end_at', 'settings.reporting_time_zone') }} as path_end_date,
    -- moments of the CRM have fractions of a second, windows count in seconds
    date_trunc('second', entries.path_end_at) as path_end_at,
    entries.ended_at_is_day as path_end_is_day,
    case
        when entries.ended_at_is_day
            then {{ moment_of(
                'cast(' ~ reporting_date('entries.ended_at', 'settings.reporting_time_zone')
                ~ ' - cast(lookbacks.lookback_days as integer) as ' ~ wall_clock_type() ~ ')',
                'settings.reporting_time_zone'
            ) }}
        else {{ add_days("date_trunc('second', entries.path_end_at)", '-lookbacks.lookback_days') }}
    end as path_start_at,
    entries.touches_until,
    earlier.earlier_touches_until,
    milestones.lead_until,
    -- A stage still to come is no milestone on the way to an earlier one. A deal or order has come by way of both: a
    -- moment after it is a clock that differs.
    case
        when entries.conversion_type in ('opportunity', 'order') or milestones.opportunity_at <= entries.path_end_at
            then milestones.opportunity_until
    end as opportunity_until,
    entries.revenue,
    entries.gross_margin,
    entries.is_amount_known,
    entries.is_new_customer,
    entries.is_rate_missing
from ended as entries
cross join settings
inner join lookbacks on entries.conversion_type = lookbacks.conversion_type
left join milestones on entries.person_id = milestones.lead_id
left join earlier on entries.conversion_type = earlier.conversion_type and entries.conversion_id = earlier.entry_id
