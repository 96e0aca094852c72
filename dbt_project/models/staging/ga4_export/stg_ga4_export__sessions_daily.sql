{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='stg_meta__windows',
    window_column='raw_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('stg_meta__windows') }}"
) }}
{%- set days = days_to_replace('stg_meta__windows') %}

-- one row for each session and event day: a session over midnight has two, which sessions__ga4_export merges
with events as (

    select *
    from {{ ref('stg_ga4_export__events') }}
    where {{ in_days('day', days) }} and session_id is not null

),

countries as (

    select * from {{ ref('countries') }}

),

-- the origin is taken whole from the first event that has one, never mixed from several
origins as (

    select
        date_day,
        session_id,
        vendor_source,
        vendor_medium,
        vendor_campaign,
        {{ usable_id('gclid') }} as gclid,
        term,
        content,
        row_number() over (
            partition by date_day, session_id
            order by event_at, vendor_source, vendor_medium, vendor_campaign, gclid, term, content
        ) as preference
    from events
    where coalesce(vendor_source, vendor_medium, vendor_campaign, {{ usable_id('gclid') }}) is not null

),

sessions as (

    select
        date_day,
        session_id,
        min(account_id) as account_id,
        min(client_id) as client_id,
        min(event_at) as started_at,
        {{ earliest('page_url', 'event_at') }} as landing_page_url,
        {{ earliest('device', 'event_at') }} as device,
        {{ earliest('country_name', 'event_at') }} as country_name,
        max(case when is_session_engaged then 1 else 0 end) = 1 as is_engaged,
        min(ga_session_number) = 1 as is_new_visitor,
        sum(case when is_key_event then 1 else 0 end) as key_events,
        sum(case when event_name in ('page_view', 'screen_view') then 1 else 0 end) as page_views,
        sum(engagement_time_msec) * 0.001 as engagement_seconds
    from events
    group by date_day, session_id

),

landed as (

    select *, {{ mended_address('landing_page_url') }} as landing_address from sessions

),

parsed as (

    select *, {{ landing_columns('landing_address', 'landing_page_url') }} from landed

)

select
    sessions.date_day as raw_day,
    sessions.account_id,
    sessions.session_id,
    sessions.client_id,
    sessions.started_at,
    origins.vendor_source,
    origins.vendor_medium,
    origins.vendor_campaign,
    cast(null as string) as vendor_campaign_id,
    case when origins.gclid is not null then 'gclid' end as click_id,
    origins.term,
    origins.content,
    sessions.landing_page,
    {% for name in click_id_names() + address_click_id_names() -%}
    {% if name == 'gclid' %}coalesce(sessions.gclid, origins.gclid) as gclid{% else %}sessions.{{ name }}{% endif %},
    {% endfor -%}
    sessions.tag_problems,
    sessions.device,
    countries.country,
    sessions.is_engaged,
    sessions.is_new_visitor,
    cast(sessions.key_events as bigint) as key_events,
    cast(sessions.page_views as bigint) as page_views,
    cast(sessions.engagement_seconds as decimal(18, 3)) as engagement_seconds
from parsed as sessions
left join origins
    on
        sessions.date_day = origins.date_day
        and sessions.session_id = origins.session_id
        and origins.preference = 1
left join countries on sessions.country_name = countries.country_name
