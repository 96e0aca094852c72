-- Grain: raw_day, account_id, session_id, goal. Goals by Metrica's number; a goal may be reached several times in a visit.
with reached as (

    select
        day,
        date_day,
        account_id,
        session_id,
        {{ explode(split_text('goal_ids', ',')) }} as goal
    from {{ ref('stg_yandex_metrika__visits') }}
    where goal_ids is not null

)

{% call as_shape('key_events') %}
select
    day,
    date_day as raw_day,
    account_id,
    session_id,
    false as has_own_origin,
    false as is_dated,
    true as is_goal_named,
    goal,
    count(*) as key_events,
    1 as sessions,
    1 as visitors
from reached
group by day, date_day, account_id, session_id, goal
{% endcall %}
