-- The touch that made each lead: the session of the form submission; else the UTM or click id that the form or the
-- record carries; else the CRM's own word for the source; else nothing.
{%- set click_id_columns = click_id_names() + address_click_id_names() %}
{%- set origin = ['channel', 'source', 'medium', 'campaign', 'campaign_key', 'term', 'content'] %}
with settings as (

    select reporting_time_zone from {{ ref('stg_config__settings') }}

),

leads as (

    select
        stage_dates.*,
        {{ end_of_moment('stage_dates.lead_at', 'stage_dates.lead_at_is_day', 'settings.reporting_time_zone') }} as lead_end_at
    from {{ ref('int_lead_stage_dates') }} as stage_dates
    cross join settings

),

people as (

    select * from {{ ref('int_people_deduplicated') }}

),

records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

crm_touches as (

    select * from {{ ref('int_crm_touches_classified') }}

),

sessions as (

    select int_sessions.*, {{ session_touch_id('int_sessions') }} as touch_id
    from {{ ref('int_sessions') }} as int_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on int_sessions.source_system = web_truth.web_truth
    where int_sessions.client_id is not null

),

-- the last form at or before the lead moment; five minutes allow for clocks and for the CRM's own workflows
lead_submissions as (

    select leads.lead_id, crm_touches.touch_id, crm_touches.event_at
    from leads
    inner join crm_touches
        on
            leads.lead_id = crm_touches.person_id
            and crm_touches.origin_kind = 'submission'
            and crm_touches.event_at
            <= leads.lead_end_at + case when leads.lead_at_is_day then interval '0 minutes' else interval '5 minutes' end
    qualify row_number() over (
        partition by leads.lead_id order by crm_touches.event_at desc, crm_touches.touch_id
    ) = 1

),

clicked_clients as (

    select * from {{ ref('int_clicked_clients_matched') }}

),

lead_clients as (

    select leads.lead_id, records.created_at, records.created_at_is_day, records.ga_client_id as client_id
    from leads
    inner join records on leads.lead_record_key = records.record_key
    where records.ga_client_id is not null

    union all

    select leads.lead_id, records.created_at, records.created_at_is_day, records.ym_client_id as client_id
    from leads
    inner join records on leads.lead_record_key = records.record_key
    where records.ym_client_id is not null

    union all

    select leads.lead_id, records.created_at, records.created_at_is_day, clicked_clients.client_id
    from leads
    inner join records on leads.lead_record_key = records.record_key
    inner join clicked_clients on 'record:' || leads.lead_record_key = clicked_clients.evidence

),

-- a portal may keep the client id, or the click, but hand out no submissions; a record of a day may be of any visit of that day
creation_sessions as (

    select lead_clients.lead_id, lead_clients.created_at, sessions.touch_id as session_touch_id
    from lead_clients
    cross join settings
    inner join sessions
        on
            lead_clients.client_id = sessions.client_id
            and case
                when lead_clients.created_at_is_day
                    then
                        {{ reporting_date('sessions.started_at', 'settings.reporting_time_zone') }}
                        = {{ reporting_date('lead_clients.created_at', 'settings.reporting_time_zone') }}
                else {{ falls_in_session('lead_clients.created_at', 'sessions.started_at') }}
            end
    left join lead_submissions on lead_clients.lead_id = lead_submissions.lead_id
    where lead_submissions.lead_id is null
    qualify row_number() over (
        partition by lead_clients.lead_id order by sessions.started_at desc, sessions.touch_id
    ) = 1

),

person_records as (

    select
        leads.lead_id,
        crm_touches.touch_id,
        crm_touches.touch_basis,
        row_number() over (
            partition by leads.lead_id
            order by
                case crm_touches.touch_basis when 'none' then 2 when 'crm_source' then 1 else 0 end,
                case when crm_touches.record_key = leads.lead_record_key then 0 else 1 end,
                crm_touches.event_at,
                crm_touches.touch_id
        ) as preference
    from leads
    inner join people on leads.lead_id = people.person_id
    inner join crm_touches
        on crm_touches.origin_kind = 'record' and people.record_key = crm_touches.record_key

),

chosen as (

    select
        leads.lead_id,
        leads.lead_end_at,
        lead_submissions.touch_id as submission_touch_id,
        coalesce(submissions.session_touch_id, creation_sessions.session_touch_id) as session_touch_id,
        person_records.touch_id as record_touch_id,
        case
            when submissions.touch_basis in ('utm', 'click_id') then lead_submissions.touch_id
            else person_records.touch_id
        end as origin_touch_id
    from leads
    left join lead_submissions on leads.lead_id = lead_submissions.lead_id
    left join crm_touches as submissions on lead_submissions.touch_id = submissions.touch_id
    left join creation_sessions on leads.lead_id = creation_sessions.lead_id
    left join person_records on leads.lead_id = person_records.lead_id and person_records.preference = 1

)

select
    chosen.lead_id,
    -- null where nothing is known: no session, no form, and a record that says nothing
    case
        when sessions.touch_id is not null then sessions.touch_id
        when chosen.submission_touch_id is not null then chosen.submission_touch_id
        when origins.touch_basis != 'none' then origins.touch_id
    end as touch_id,
    case
        when sessions.touch_id is not null then 'session'
        when chosen.submission_touch_id is not null then 'form_submission'
        when origins.touch_basis = 'crm_source' then 'crm_source'
        when origins.touch_basis != 'none' then 'crm_utm'
    end as touch_kind,
    case when sessions.touch_id is not null then 'session' else origins.touch_basis end as touch_basis,
    case
        when sessions.touch_id is null and chosen.submission_touch_id is null and origins.touch_basis = 'none' then null
        -- what made the lead came no later than the lead
        else least(
            chosen.lead_end_at, date_trunc('minute', coalesce(sessions.started_at, submissions.event_at, origins.event_at))
        )
    end as touch_at,
    {% for column in origin + click_id_columns -%}
    case when sessions.touch_id is not null then sessions.{{ column }} else origins.{{ column }} end as {{ column }},
    {% endfor -%}
    coalesce(
        sessions.landing_page,
        case when origins.touch_basis in ('utm', 'click_id') then origins.landing_page end,
        submissions.landing_page,
        origins.landing_page
    ) as landing_page,
    coalesce(submissions.form, lead_records.form) as form,
    coalesce(sessions.device, lead_records.device) as device,
    coalesce(sessions.country, lead_records.country) as country
from chosen
left join sessions on chosen.session_touch_id = sessions.touch_id
left join crm_touches as submissions on chosen.submission_touch_id = submissions.touch_id
left join crm_touches as origins on chosen.origin_touch_id = origins.touch_id
left join crm_touches as lead_records on chosen.record_touch_id = lead_records.touch_id
