-- Whose each visit was. A browser at which one person was seen is theirs, before and after. Where two or three were
-- seen, a visit is that of the one seen nearest in time. A shared device is nobody's, but for the visit itself in which
-- somebody was seen.
with links as (

    select * from {{ ref('int_identity_links') }} where id_kind = 'client_id' and is_somebody

),

clients as (

    select * from {{ ref('int_client_ids_resolved') }}

),

sessions as (

    select
        {{ session_touch_id('int_sessions') }} as touch_id,
        int_sessions.client_id,
        int_sessions.started_at,
        clients.people,
        clients.person_id,
        clients.is_shared
    from {{ ref('int_sessions') }} as int_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on int_sessions.source_system = web_truth.web_truth
    inner join clients on int_sessions.client_id = clients.client_id

),

nearest as (

    select
        sessions.touch_id,
        links.person_id,
        row_number() over (
            partition by sessions.touch_id
            order by
                -- seconds apart; of two as near, who came after: a form ends a visit
                abs({{ days_between('links.seen_at', 'sessions.started_at') }}),
                links.seen_at desc,
                links.group_id
        ) as preference
    from sessions
    inner join links on sessions.client_id = links.id_value
    where sessions.people > 1 and not sessions.is_shared

),

-- a form belongs to one visit: the last that began before it
seen_in_visits as (

    select
        sessions.touch_id,
        links.person_id,
        links.seen_at,
        links.evidence,
        row_number() over (partition by links.evidence order by sessions.started_at desc, sessions.touch_id) as visit_preference
    from sessions
    inner join links
        on
            sessions.client_id = links.id_value
            and {{ falls_in_session('links.seen_at', 'sessions.started_at') }}
    where sessions.is_shared

),

visits as (

    select touch_id, {{ earliest('person_id', '(seen_at, evidence)') }} as person_id
    from seen_in_visits
    where visit_preference = 1
    group by touch_id

),

decided as (

    select touch_id, person_id, 'only_person' as identified_by from sessions where people = 1 and not is_shared
    union all
    select touch_id, person_id, 'nearest_in_time' as identified_by from nearest where preference = 1
    union all
    select touch_id, person_id, 'same_visit' as identified_by from visits

)

select touch_id, person_id, identified_by
from decided
where person_id is not null
