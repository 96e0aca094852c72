-- Whose each visit was. A browser at which one person was seen is theirs, before and after. Where two or three were
-- seen, a visit is that of who was seen in it, else of who was seen nearest in time. On a shared device only a visit in
-- which somebody was seen is anybody's.
with links as (

    select * from {{ ref('int_identity_links') }} where id_kind = 'client_id' and is_somebody

),

submissions as (

    select * from {{ ref('int_form_submissions_matched') }} where session_touch_id is not null

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

-- whoever it is belongs to one visit: the last that began before
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
    where sessions.people > 1 or sessions.is_shared

    union all

    -- a form without a client id of its own may have found its visit by the record's
    select
        session_touch_id as touch_id,
        person_id,
        submitted_at as seen_at,
        'submission:' || submission_id as evidence,
        1 as visit_preference
    from submissions

),

visits as (

    select touch_id, {{ earliest('person_id', '(seen_at, evidence)') }} as person_id
    from seen_in_visits
    where visit_preference = 1
    group by touch_id

),

nearest as (

    select
        sessions.touch_id,
        links.person_id,
        row_number() over (
            partition by sessions.touch_id
            order by
                -- of two as near, who came after: a form ends a visit
                abs({{ days_between('links.seen_at', 'sessions.started_at') }}),
                links.seen_at desc,
                links.group_id
        ) as preference
    from sessions
    inner join links on sessions.client_id = links.id_value
    left join visits on sessions.touch_id = visits.touch_id
    where sessions.people > 1 and not sessions.is_shared and visits.touch_id is null

),

decided as (

    select sessions.touch_id, sessions.person_id, 'only_person' as identified_by
    from sessions
    where sessions.people = 1 and not sessions.is_shared
    union all
    select visits.touch_id, visits.person_id, 'same_visit' as identified_by
    from visits
    left join sessions on visits.touch_id = sessions.touch_id
    where sessions.touch_id is null or sessions.people > 1 or sessions.is_shared
    union all
    select touch_id, person_id, 'nearest_in_time' as identified_by from nearest where preference = 1

)

select touch_id, person_id, identified_by
from decided
where person_id is not null
