{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='stg_meta__windows',
    window_column='raw_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('stg_meta__windows') }}"
) }}
{%- set days = days_to_replace('stg_meta__windows') %}

select
    source_system,
    raw_day,
    account_id,
    session_id,
    has_own_origin,
    is_dated,
    is_goal_named,
    goal,
    vendor_source,
    vendor_medium,
    vendor_campaign,
    {{ visit_cuts() | join(',\n    ') }},
    key_events,
    sessions,
    visitors
from {{ ref('key_events') }}
where {{ in_days('day', days) }}
