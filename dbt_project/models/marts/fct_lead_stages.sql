{%- set stages = funnel_stages() %}
with stage_dates as (

    select * from {{ ref('int_lead_stage_dates') }}

),

leads as (

    select * from {{ ref('fct_leads') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

reached as (

    {% for stage in stages -%}
    {%- set following = stages[loop.index] if not loop.last else none -%}
    select
        stage_dates.lead_id,
        '{{ stage }}' as stage,
        {{ loop.index }} as stage_order,
        stage_dates.{{ stage }}_at as reached_at,
        stage_dates.{{ stage }}_at_is_day as reached_at_is_day,
        stage_dates.is_{{ stage }}_filled as is_filled,
        stage_dates.is_sal_mapped,
        {%- if following %}
        -- where nobody maps the next stage, nothing can be said of the step to it
        case when stage_dates.is_{{ following }}_mapped then '{{ stage }}>{{ following }}' end as transition,
        case when stage_dates.is_{{ following }}_mapped then stage_dates.{{ following }}_at end as next_reached_at,
        stage_dates.{{ following }}_at_is_day as next_reached_at_is_day,
        settings.maturity_stage_window_days_{{ stage }}_to_{{ following }} as conversion_window_days
        {%- else %}
        cast(null as string) as transition,
        cast(null as {{ moment_type() }}) as next_reached_at,
        false as next_reached_at_is_day,
        cast(null as bigint) as conversion_window_days
        {%- endif %}
    from stage_dates
    cross join settings
    where stage_dates.{{ stage }}_at is not null

    union all

    {% endfor -%}
    select
        lead_id,
        'lost' as stage,
        {{ stages | length + 1 }} as stage_order,
        lost_at as reached_at,
        lost_at_is_day as reached_at_is_day,
        false as is_filled,
        is_sal_mapped,
        cast(null as string) as transition,
        cast(null as {{ moment_type() }}) as next_reached_at,
        false as next_reached_at_is_day,
        cast(null as bigint) as conversion_window_days
    from stage_dates
    where lost_at is not null

)

select
    reached.lead_id,
    reached.stage,
    leads.crm,
    reached.stage_order,
    reached.reached_at,
    reached.reached_at_is_day,
    {{ reporting_date('reached.reached_at', 'settings.reporting_time_zone') }} as reached_date,
    reached.is_filled,
    reached.is_sal_mapped,
    reached.transition,
    case
        when reached.transition is not null
            then coalesce(
                {{ days_known_between(
                    'reached.reached_at', 'reached.reached_at_is_day',
                    'reached.next_reached_at', 'reached.next_reached_at_is_day', 'settings.reporting_time_zone'
                ) }} <= reached.conversion_window_days,
                false
            )
    end as converted_within_window,
    case when reached.transition is not null then reached.conversion_window_days end as conversion_window_days,
    case
        when reached.transition is not null
            then
                {{ reporting_date('reached.reached_at', 'settings.reporting_time_zone') }}
                + cast(reached.conversion_window_days as integer) < clock.today
    end as is_window_over,
    leads.{{ lead_cuts() | join(', leads.') }},
    leads.sales_rep
from reached
cross join settings
cross join clock
inner join leads on reached.lead_id = leads.lead_id
