{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='int_web_windows',
    window_column='date_day',
    on_schema_change='fail',
    post_hook="{{ remember_built_days('int_web_windows') }}"
) }}
{%- set days = days_to_replace('int_web_windows') %}
{%- set measures = [
    'sessions', 'engaged_sessions', 'new_visitors', 'key_events', 'page_views', 'engagement_seconds',
    'sessions_with_key_event'
] %}

with truth as (

    select * from {{ ref('int_web_truth') }}

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

reported as (

    select *
    from {{ ref('web_days') }}
    where {{ in_days('day', days) }}

),

reported_origins as (

    select collected.date_day, collected.account_id, classified.*
    from {{ ref('int_web_origins_collected') }} as collected
    inner join {{ ref('int_web_origins_classified') }} as classified on collected.origin_key = classified.origin_key
    where {{ in_days('collected.date_day', days) }}

),

known_sessions as (

    select *
    from {{ ref('int_sessions') }}
    where {{ in_days('session_date', days) }} and not {{ gives('web_days', 'source_system') }}

),

unioned as (

    select
        reported.date_day,
        reported.source_system,
        reported.account_id,
        origins.source,
        origins.medium,
        origins.campaign,
        origins.campaign_key,
        reported.term,
        reported.content,
        reported.{{ visit_cuts() | join(', reported.') }},
        origins.channel,
        reported.{{ measures | join(', reported.') }}
    from reported
    inner join truth on reported.source_system = truth.web_truth
    cross join rules
    left join reported_origins as origins
        on
            reported.date_day = origins.date_day
            and reported.account_id = origins.account_id
            and reported.vendor_source is not distinct from origins.vendor_source
            and reported.vendor_medium is not distinct from origins.vendor_medium
            and reported.vendor_campaign is not distinct from origins.vendor_campaign
            and {{ origin_landing_page('reported.landing_page') }} is not distinct from origins.landing_page

    union all

    select
        known_sessions.session_date as date_day,
        known_sessions.source_system,
        known_sessions.account_id,
        known_sessions.source,
        known_sessions.medium,
        known_sessions.campaign,
        known_sessions.campaign_key,
        known_sessions.term,
        known_sessions.content,
        known_sessions.{{ visit_cuts() | join(', known_sessions.') }},
        known_sessions.channel,
        known_sessions.session_count as sessions,
        coalesce(known_sessions.engaged_sessions, case when known_sessions.is_engaged then 1 else 0 end)
            as engaged_sessions,
        coalesce(known_sessions.new_visitors, case when known_sessions.is_new_visitor then 1 else 0 end) as new_visitors,
        coalesce(known_sessions.key_events, 0) as key_events,
        coalesce(known_sessions.page_views, 0) as page_views,
        coalesce(known_sessions.engagement_seconds, 0) as engagement_seconds,
        coalesce(known_sessions.sessions_with_key_event, case when known_sessions.key_events > 0 then 1 else 0 end)
            as sessions_with_key_event
    from known_sessions
    inner join truth on known_sessions.source_system = truth.web_truth

)

select
    date_day,
    source_system,
    account_id,
    channel,
    source,
    medium,
    campaign,
    campaign_key,
    coalesce(term, '(not set)') as term,
    coalesce(content, '(not set)') as content,
    {{ cuts_of('unioned', visit_cuts()) }},
    cast(sum(sessions) as bigint) as sessions,
    cast(sum(engaged_sessions) as bigint) as engaged_sessions,
    cast(sum(new_visitors) as bigint) as new_visitors,
    cast(sum(key_events) as bigint) as key_events,
    cast(sum(page_views) as bigint) as page_views,
    cast(sum(engagement_seconds) as decimal(18, 3)) as engagement_seconds,
    cast(sum(sessions_with_key_event) as bigint) as sessions_with_key_event
from unioned
group by all
