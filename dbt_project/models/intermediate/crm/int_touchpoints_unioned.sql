-- Touches of known visitors and people: sessions, forms and e-mail clicks outside any session, what a CRM record says of
-- its origin where the person has nothing else, and what people say themselves.
{%- set click_id_columns = click_id_names() %}
{%- set origin = ['channel', 'source', 'medium', 'campaign', 'campaign_key', 'term', 'content'] %}
{#- the newer ids stand last: readers take columns by place -#}
{%- set address_click_ids = address_click_id_names() %}
{%- set place = visit_cuts() %}
{%- set said = origin + click_id_columns + place + ['form'] + address_click_ids %}
with sessions as (

    select int_sessions.*, {{ session_touch_id('int_sessions') }} as touch_id
    from {{ ref('int_sessions') }} as int_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on int_sessions.source_system = web_truth.web_truth
    where int_sessions.client_id is not null

),

identified as (

    select * from {{ ref('int_sessions_identified') }}

),

crm_touches as (

    select * from {{ ref('int_crm_touches_classified') }}

),

submissions as (

    select * from {{ ref('int_form_submissions_matched') }}

),

lead_touches as (

    select * from {{ ref('int_lead_touches') }}

),

email_clicks as (

    select * from {{ ref('int_email_clicks_matched') }}

),

answers as (

    select * from {{ ref('int_self_reported_answers') }} where person_id is not null and channel != '(not set)'

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

-- a visit that a counter calls Direct though a click in an e-mail began it
session_clicks as (

    select *
    from email_clicks
    where session_touch_id is not null
    qualify row_number() over (partition by session_touch_id order by clicked_at, touch_id) = 1

),

session_forms as (

    select session_touch_id, {{ earliest('form', '(submitted_at, submission_id)') }} as form
    from submissions
    where session_touch_id is not null
    group by session_touch_id

),

session_touches as (

    select
        sessions.touch_id,
        'session' as touch_kind,
        identified.person_id,
        sessions.client_id as visitor_id,
        -- what made a lead came no later than the lead
        coalesce(lead_touches.touch_at, date_trunc('minute', sessions.started_at)) as touched_at,
        {% for column in origin -%}
        case when sessions.channel = 'Direct' and session_clicks.session_touch_id is not null then session_clicks.{{ column }} else sessions.{{ column }} end
            as {{ column }},
        {% endfor -%}
        {% for column in click_id_columns + place -%}
        sessions.{{ column }},
        {% endfor -%}
        session_forms.form
        {%- for column in address_click_ids %},
        sessions.{{ column }}
        {%- endfor %}
    from sessions
    left join identified on sessions.touch_id = identified.touch_id
    left join session_forms on sessions.touch_id = session_forms.session_touch_id
    left join session_clicks on sessions.touch_id = session_clicks.session_touch_id
    left join lead_touches
        on sessions.touch_id = lead_touches.touch_id and identified.person_id = lead_touches.lead_id

),

-- where the CRM says that a person came from, its tags before its own word
person_origins as (

    select *
    from crm_touches
    where origin_kind = 'record' and touch_basis != 'none'
    qualify row_number() over (
        partition by person_id
        order by case when touch_basis = 'crm_source' then 1 else 0 end, event_at, touch_id
    ) = 1

),

submission_touches as (

    select
        crm_touches.touch_id,
        'form_submission' as touch_kind,
        crm_touches.person_id,
        coalesce(submissions.ga_client_id, submissions.ym_client_id) as visitor_id,
        coalesce(lead_touches.touch_at, date_trunc('minute', crm_touches.event_at)) as touched_at,
        -- the form that made the lead came from where the lead came from; a form alone from where the CRM says that the
        -- person came from; nothing known is Direct
        {% for column in ['channel', 'source', 'medium'] -%}
        case
            when crm_touches.touch_basis != 'none' then crm_touches.{{ column }}
            when lead_touches.touch_basis != 'none' then lead_touches.{{ column }}
            when person_origins.touch_basis != 'none' then person_origins.{{ column }}
            else '{{ {"channel": "Direct", "source": "(direct)", "medium": "(none)"}[column] }}'
        end as {{ column }},
        {% endfor -%}
        {% for column in ['campaign', 'campaign_key', 'term', 'content'] + click_id_columns -%}
        case
            when crm_touches.touch_basis = 'none' and lead_touches.touch_basis != 'none' then lead_touches.{{ column }}
            when crm_touches.touch_basis = 'none' and person_origins.touch_basis != 'none' then person_origins.{{ column }}
            else crm_touches.{{ column }}
        end as {{ column }},
        {% endfor -%}
        crm_touches.{{ place | join(', crm_touches.') }},
        crm_touches.form
        {%- for column in address_click_ids %},
        case
            when crm_touches.touch_basis = 'none' and lead_touches.touch_basis != 'none' then lead_touches.{{ column }}
            when crm_touches.touch_basis = 'none' and person_origins.touch_basis != 'none' then person_origins.{{ column }}
            else crm_touches.{{ column }}
        end as {{ column }}
        {%- endfor %}
    from crm_touches
    inner join submissions on crm_touches.touch_id = 'submission:' || submissions.submission_id
    left join lead_touches on crm_touches.touch_id = lead_touches.touch_id
    left join person_origins on crm_touches.person_id = person_origins.person_id
    left join identified on submissions.session_touch_id = identified.touch_id
    where
        crm_touches.origin_kind = 'submission'
        -- two people may have sent forms in one visit: it is the first one's
        and (
            submissions.session_touch_id is null
            or (submissions.person_id is not null and submissions.person_id is distinct from identified.person_id)
        )

),

email_touches as (

    select
        touch_id,
        'email_click' as touch_kind,
        person_id,
        case when person_id is null then 'email:' || email_hash end as visitor_id,
        date_trunc('minute', clicked_at) as touched_at,
        {% for column in origin -%}
        {{ column }},
        {% endfor -%}
        {% for column in click_id_columns -%}
        cast(null as string) as {{ column }},
        {% endfor -%}
        {% for column in place -%}
        {{ column if column == 'landing_page' else 'cast(null as string)' }} as {{ column }},
        {% endfor -%}
        cast(null as string) as form
        {%- for column in address_click_ids %},
        cast(null as string) as {{ column }}
        {%- endfor %}
    from email_clicks
    where session_touch_id is null

),

people_touched as (

    select person_id from session_touches where person_id is not null
    union
    select person_id from email_touches where person_id is not null
    union
    select person_id from submission_touches where person_id is not null

),

record_touches as (

    select
        crm_touches.touch_id,
        case when crm_touches.touch_basis = 'crm_source' then 'crm_source' else 'crm_utm' end as touch_kind,
        crm_touches.person_id,
        cast(null as string) as visitor_id,
        coalesce(lead_touches.touch_at, date_trunc('minute', crm_touches.event_at)) as touched_at,
        crm_touches.{{ said | join(', crm_touches.') }}
    from crm_touches
    left join people_touched on crm_touches.person_id = people_touched.person_id
    left join lead_touches on crm_touches.touch_id = lead_touches.touch_id
    where
        crm_touches.origin_kind = 'record'
        and crm_touches.touch_basis != 'none'
        and people_touched.person_id is null
    -- the record that made the lead, else the oldest that says anything
    qualify row_number() over (
        partition by crm_touches.person_id
        order by
            case when lead_touches.touch_id is not null then 0 else 1 end,
            case when crm_touches.touch_basis = 'crm_source' then 1 else 0 end,
            crm_touches.event_at,
            crm_touches.touch_id
    ) = 1

),

-- a deal or order that says itself where it came from, of people of whom no visit, form or click is known; not again what
-- their record says
sale_touches as (

    select
        crm_touches.touch_id,
        case when crm_touches.touch_basis = 'crm_source' then 'crm_source' else 'crm_utm' end as touch_kind,
        crm_touches.person_id,
        cast(null as string) as visitor_id,
        date_trunc('minute', crm_touches.event_at) as touched_at,
        crm_touches.{{ said | join(', crm_touches.') }}
    from crm_touches
    left join people_touched on crm_touches.person_id = people_touched.person_id
    left join record_touches on crm_touches.person_id = record_touches.person_id
    where
        crm_touches.origin_kind in ('deal', 'order')
        and crm_touches.touch_basis != 'none'
        and people_touched.person_id is null
        and (
            record_touches.person_id is null
            or crm_touches.channel != record_touches.channel
            or crm_touches.source != record_touches.source
            or crm_touches.medium != record_touches.medium
            or crm_touches.campaign_key != record_touches.campaign_key
        )

),

tracked_touches as (

    select * from session_touches
    union all
    select * from submission_touches
    union all
    select * from email_touches
    union all
    select * from record_touches
    union all
    select * from sale_touches

),

-- what the visit in which it was said says as well
repeated_answers as (

    select distinct answers.answer_id
    from answers
    inner join tracked_touches
        on
            answers.person_id = tracked_touches.person_id
            and {{ falls_in_session('answers.answered_at', 'tracked_touches.touched_at') }}
            and (
                answers.source = tracked_touches.source
                or (answers.channel = tracked_touches.channel and answers.channel != 'Unassigned')
            )

),

self_reported_touches as (

    select
        answers.answer_id as touch_id,
        'self_reported' as touch_kind,
        answers.person_id,
        cast(null as string) as visitor_id,
        answers.touched_at,
        answers.channel,
        answers.source,
        answers.medium,
        '(not set)' as campaign,
        '(not set)' as campaign_key,
        cast(null as string) as term,
        cast(null as string) as content,
        {% for column in click_id_columns + place -%}
        cast(null as string) as {{ column }},
        {% endfor -%}
        answers.form
        {%- for column in address_click_ids %},
        cast(null as string) as {{ column }}
        {%- endfor %},
        settings.attribution_self_reported = 'fallback' as is_fallback
    from answers
    cross join settings
    left join repeated_answers on answers.answer_id = repeated_answers.answer_id
    where repeated_answers.answer_id is null and settings.attribution_self_reported != 'never'

)

select *, false as is_fallback from tracked_touches
union all
select * from self_reported_touches
