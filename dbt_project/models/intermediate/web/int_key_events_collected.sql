{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='int_raw_windows',
    window_column='raw_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('int_raw_windows') }}"
) }}
{%- set days = days_to_replace('int_raw_windows') %}

with reported as (

    select
        'ga4' as source_system,
        date_day as raw_day,
        account_id,
        cast(null as varchar) as session_id,
        goal,
        vendor_source,
        vendor_medium,
        vendor_campaign,
        landing_page,
        device,
        country,
        key_events,
        sessions,
        visitors
    from {{ ref('stg_ga4__key_events') }}
    where {{ in_days('day', days) }}

),

exported as (

    select
        'ga4_export' as source_system,
        date_day as raw_day,
        account_id,
        session_id,
        event_name as goal,
        count(*) as key_events
    from {{ ref('stg_ga4_export__events') }}
    where {{ in_days('day', days) }} and is_key_event
    group by date_day, account_id, session_id, event_name

),

-- a session file counts key events without naming them
dropped as (

    select
        'files' as source_system,
        cast(day as date) as raw_day,
        account_id,
        session_id,
        '(not set)' as goal,
        key_events
    from {{ ref('stg_files__sessions') }}
    where {{ in_days('day', days) }} and key_events > 0

)

select
    source_system,
    raw_day,
    account_id,
    session_id,
    goal,
    vendor_source,
    vendor_medium,
    vendor_campaign,
    landing_page,
    device,
    country,
    key_events,
    sessions,
    visitors
from reported

union all

select
    source_system,
    raw_day,
    account_id,
    session_id,
    goal,
    cast(null as varchar) as vendor_source,
    cast(null as varchar) as vendor_medium,
    cast(null as varchar) as vendor_campaign,
    cast(null as varchar) as landing_page,
    cast(null as varchar) as device,
    cast(null as varchar) as country,
    key_events,
    1 as sessions,
    1 as visitors
from (
    select * from exported
    union all
    select * from dropped
) as of_sessions
