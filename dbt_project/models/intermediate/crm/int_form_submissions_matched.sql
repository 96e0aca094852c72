-- Form submissions with the person who made them, and the session in which they fell.
with submissions as (

    select * from {{ ref('submissions') }}

),

submitters as (

    select distinct evidence, person_id
    from {{ ref('int_identity_links') }}
    where evidence_kind = 'submission' and person_id is not null

),

records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

people as (

    select * from {{ ref('int_people_deduplicated') }}

),

sessions as (

    select
        int_sessions.client_id,
        int_sessions.started_at,
        {{ session_touch_id('int_sessions') }} as touch_id
    from {{ ref('int_sessions') }} as int_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on int_sessions.source_system = web_truth.web_truth
    where int_sessions.client_id is not null

),

identified as (

    select
        submissions.*,
        submitters.person_id
    from submissions
    left join submitters on 'submission:' || submissions.submission_id = submitters.evidence

),

clicked_clients as (

    select * from {{ ref('int_clicked_clients_matched') }}

),

record_clients as (

    select people.person_id, records.ga_client_id, records.ym_client_id
    from records
    inner join people on records.record_key = people.record_key

),

-- the form's own hidden field first; then its click; what the CRM keeps on the person only where the form has none
clients as (

    select submission_id, submitted_at, ga_client_id as client_id, 0 as preference
    from identified
    where ga_client_id is not null
    union all
    select submission_id, submitted_at, ym_client_id as client_id, 0 as preference
    from identified
    where ym_client_id is not null
    union all
    select identified.submission_id, identified.submitted_at, clicked_clients.client_id, 1 as preference
    from identified
    inner join clicked_clients on 'submission:' || identified.submission_id = clicked_clients.evidence
    union all
    select identified.submission_id, identified.submitted_at, record_clients.ga_client_id as client_id, 2 as preference
    from identified
    inner join record_clients on identified.person_id = record_clients.person_id
    where
        record_clients.ga_client_id is not null
        and coalesce(identified.ga_client_id, identified.ym_client_id) is null
    union all
    select identified.submission_id, identified.submitted_at, record_clients.ym_client_id as client_id, 2 as preference
    from identified
    inner join record_clients on identified.person_id = record_clients.person_id
    where
        record_clients.ym_client_id is not null
        and coalesce(identified.ga_client_id, identified.ym_client_id) is null

),

session_matches as (

    select clients.submission_id, sessions.touch_id as session_touch_id
    from clients
    inner join sessions
        on
            clients.client_id = sessions.client_id
            and {{ falls_in_session('clients.submitted_at', 'sessions.started_at') }}
    qualify row_number() over (
        partition by clients.submission_id
        order by clients.preference, sessions.started_at desc, sessions.touch_id
    ) = 1

)

select
    identified.submission_id,
    identified.person_id,
    identified.form,
    identified.page_url,
    identified.submitted_at,
    identified.ga_client_id,
    identified.ym_client_id,
    {{ known('identified.utm_source') }} as utm_source,
    {{ known('identified.utm_medium') }} as utm_medium,
    {{ known('identified.utm_campaign') }} as utm_campaign,
    {{ known('identified.utm_term') }} as utm_term,
    {{ known('identified.utm_content') }} as utm_content,
    {{ click_id_of('identified', click_id_names()) }} as click_id,
    {% for name in click_id_names() -%}
    {{ known('identified.' ~ name) }} as {{ name }},
    {% endfor -%}
    session_matches.session_touch_id,
    identified.self_reported_source
from identified
left join session_matches on identified.submission_id = session_matches.submission_id
