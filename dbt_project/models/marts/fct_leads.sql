with leads as (

    select * from {{ ref('int_lead_stage_dates') }}

),

touches as (

    select * from {{ ref('int_lead_touches') }}

),

records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

touchpoints as (

    select * from {{ ref('int_touchpoints_unioned') }} where person_id is not null

),

orders as (

    select * from {{ ref('int_orders_converted') }} where lead_id is not null and not is_refund

),

deals as (

    select * from {{ ref('int_deals_resolved') }} where is_truth and not is_refund and status = 'won'

),

settings as (

    select reporting_time_zone, revenue_truth from {{ ref('stg_config__settings') }}

),

path_ends as (

    select
        leads.lead_id,
        {{ earliest('touchpoints.touch_id', '(touchpoints.is_fallback, touchpoints.touched_at, touchpoints.touch_id)') }} as first_touch_id,
        {{ latest('touchpoints.touch_id', '(not touchpoints.is_fallback, touchpoints.touched_at, touchpoints.touch_id)') }} as last_touch_id
    from leads
    cross join settings
    inner join touchpoints
        on
            leads.lead_id = touchpoints.person_id
            and touchpoints.touched_at
            <= {{ touches_until('leads.lead_at', 'leads.lead_at_is_day', 'settings.reporting_time_zone') }}
    group by leads.lead_id

),

lead_orders as (

    select
        lead_id,
        min(case when not is_fully_refunded then ordered_at end) as first_kept_order_at,
        {{ earliest('customer_id', '(is_fully_refunded, ordered_at, order_key)') }} as customer_id
    from orders
    group by lead_id

),

lead_deals as (

    select
        lead_id,
        {{ earliest('customer_id', '(closed_at is null, closed_at, deal_key)') }} as customer_id,
        -- nobody knows when, but a customer it is
        count(case when closed_at is null then 1 end) > 0 as has_undated_win
    from deals
    where lead_id is not null
    group by lead_id

),

customers as (

    select
        leads.lead_id,
        case
            -- won deals are the orders: one that was paid back in full made no customer
            when settings.revenue_truth = 'crm' and lead_orders.lead_id is not null then lead_orders.first_kept_order_at
            when leads.is_won_mapped then leads.won_at
            else lead_orders.first_kept_order_at
        end as customer_at,
        coalesce(lead_deals.has_undated_win, false) as has_undated_win,
        coalesce(lead_orders.customer_id, lead_deals.customer_id, leads.lead_id) as customer_id
    from leads
    cross join settings
    left join lead_orders on leads.lead_id = lead_orders.lead_id
    left join lead_deals on leads.lead_id = lead_deals.lead_id

)

select
    ---------- ids
    leads.lead_id,
    leads.crm,
    records.crm_record_id,

    ---------- dates
    leads.lead_at,
    leads.lead_at_is_day,
    {{ reporting_date('leads.lead_at', 'settings.reporting_time_zone') }} as lead_date,

    ---------- the touch that made the lead
    coalesce(touches.channel, '(not set)') as channel,
    coalesce(touches.source, '(not set)') as source,
    coalesce(touches.medium, '(not set)') as medium,
    coalesce(touches.campaign_key, '(not set)') as campaign_key,
    coalesce(touches.campaign, '(not set)') as campaign,
    coalesce(touches.term, '(not set)') as term,
    coalesce(touches.content, '(not set)') as content,
    {{ cuts_of('touches', visit_cuts() + ['form']) }},
    coalesce(records.owner_id, '(not set)') as sales_rep,
    touches.touch_id,
    touches.touch_kind,
    touches.touch_basis,
    touches.touch_at,

    ---------- first and last touch up to the lead moment
    {% for end in ['first', 'last'] -%}
    {% for column in ['channel', 'source', 'medium', 'campaign'] -%}
    coalesce({{ end }}_touches.{{ column }}, touches.{{ column }}, '(not set)') as {{ end }}_touch_{{ column }},
    {% endfor -%}
    coalesce({{ end }}_touches.touched_at, touches.touch_at) as {{ end }}_touch_at,
    {% endfor %}
    ---------- outcome
    customers.customer_at is not null or customers.has_undated_win as is_customer,
    {{ reporting_date('customers.customer_at', 'settings.reporting_time_zone') }} as customer_date,
    case when customers.customer_at is not null or customers.has_undated_win then customers.customer_id end as customer_id

from leads
cross join settings
inner join touches on leads.lead_id = touches.lead_id
inner join records on leads.lead_record_key = records.record_key
inner join customers on leads.lead_id = customers.lead_id
left join path_ends on leads.lead_id = path_ends.lead_id
left join touchpoints as first_touches on path_ends.first_touch_id = first_touches.touch_id
left join touchpoints as last_touches on path_ends.last_touch_id = last_touches.touch_id
