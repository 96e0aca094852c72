{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='stg_meta__windows',
    window_column='raw_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('stg_meta__windows') }}"
) }}
{%- set days = days_to_replace('stg_meta__windows') %}

-- origin: what the file says; else click id and UTM of the landing URL; else the referrer; else nothing (direct)
{{ sessions_of_visits(
    ref('stg_files__sessions'), days, counts=['session_count', 'engaged_sessions', 'new_visitors', 'sessions_with_key_event']
) }}
