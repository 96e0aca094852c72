-- distinct clients where the truth of web traffic is sessions: at every grain and cut, our channels too
{%- set cuts = ['channel', 'source', 'medium', 'campaign_key'] + visit_cuts() %}

with truth as (

    select * from {{ ref('int_web_truth') }}

),

calendar as (

    select * from {{ ref('int_calendar') }}

),

known_sessions as (

    select
        sessions.client_id,
        sessions.session_date,
        calendar.week_start,
        calendar.month_start,
        calendar.fiscal_quarter_start,
        calendar.fiscal_year_start,
        sessions.is_engaged,
        {%- for cut in cuts %}
        coalesce(sessions.{{ cut }}, '(not set)') as {{ cut }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_sessions') }} as sessions
    inner join truth on sessions.source_system = truth.web_truth
    inner join calendar on sessions.session_date = calendar.date_day
    where not {{ gives('visitors', 'truth.web_truth') }}

),

{% for grain, column in [
    ('day', 'session_date'), ('week', 'week_start'), ('month', 'month_start'), ('quarter', 'fiscal_quarter_start'),
    ('year', 'fiscal_year_start')
] %}
of_{{ grain }} as (

    select
        '{{ grain }}' as grain,
        {{ column }} as period_start,
        {{ cuts | join(', ') }},
        {%- for cut in cuts %}
        grouping({{ cut }}) as without_{{ cut }},
        {%- endfor %}
        count(distinct client_id) as unique_visitors,
        count(distinct case when is_engaged then client_id end) as active_visitors,
        count(*) - count(client_id) as sessions_without_client
    from known_sessions
    group by grouping sets (({{ column }}){% for cut in cuts %}, ({{ column }}, {{ cut }}){% endfor %})

),

{% endfor %}
counted as (

    select * from of_day
    union all
    select * from of_week
    union all
    select * from of_month
    union all
    select * from of_quarter
    union all
    select * from of_year

)

select
    grain,
    period_start,
    case
        {%- for cut in cuts %}
        when without_{{ cut }} = 0 then '{{ 'campaign' if cut == 'campaign_key' else cut }}'
        {%- endfor %}
        else 'total'
    end as dimension,
    coalesce({{ cuts | join(', ') }}, 'all') as member,
    unique_visitors,
    active_visitors,
    {{ quality_flags([('sessions_without_client > 0', 'unknown_clients')]) }} as quality
from counted
