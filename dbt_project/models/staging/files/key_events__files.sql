-- Grain: as delivered. A session file counts key events without naming them, and knows its sessions' moments only.
{% call as_shape('key_events') %}
select
    day,
    cast(day as date) as raw_day,
    account_id,
    session_id,
    false as has_own_origin,
    false as is_dated,
    false as is_goal_named,
    '(not set)' as goal,
    key_events,
    1 as sessions,
    1 as visitors
from {{ ref('stg_files__sessions') }}
where key_events > 0
{% endcall %}
