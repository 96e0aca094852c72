-- Grain: raw_day, account_id, session_id, goal. Key events of each session.
{% call as_shape('key_events') %}
select
    day,
    date_day as raw_day,
    account_id,
    session_id,
    false as has_own_origin,
    true as is_dated,
    true as is_goal_named,
    event_name as goal,
    count(*) as key_events,
    1 as sessions,
    1 as visitors
from {{ ref('stg_ga4_export__events') }}
where is_key_event
group by day, date_day, account_id, session_id, event_name
{% endcall %}
