{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='stg_meta__windows',
    window_column='raw_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('stg_meta__windows') }}"
) }}
{%- set days = days_to_replace('stg_meta__windows') %}

-- known clients only: one row for each session start that GA4 reports with a client id
with sessions as (

    select *, {{ mended_address('landing_page_url') }} as landing_address
    from {{ ref('stg_ga4__sessions') }}
    where {{ in_days('day', days) }} and client_id is not null

),

campaign_ids as (

    select * from {{ ref('stg_ga4__campaign_ids') }} where {{ in_days('day', days) }}

),

extractions as (

    select date_day, time_zone from {{ ref('stg_meta__content') }} where source = 'ga4' and stream = 'sessions'

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

collected as (

    select
        sessions.date_day as raw_day,
        sessions.account_id,
        {{ row_key([
            'sessions.account_id', 'sessions.started_at_local', 'sessions.client_id', 'sessions.vendor_source',
            'sessions.vendor_medium', 'sessions.vendor_campaign', 'sessions.term', 'sessions.content',
            'sessions.landing_page_url', 'sessions.device',
        ]) }} as session_id,
        sessions.client_id,
        -- the report's minute is wall-clock time of the property
        {{ moment_of('sessions.started_at_local', "coalesce(extractions.time_zone, 'UTC')") }} as started_at,
        sessions.vendor_source,
        sessions.vendor_medium,
        sessions.vendor_campaign,
        campaign_ids.vendor_campaign_id,
        cast(null as string) as click_id,
        sessions.term,
        sessions.content,
        {{ landing_columns('sessions.landing_address', 'sessions.landing_page_url') }},
        sessions.device,
        cast(null as string) as country,
        sessions.engaged_sessions > 0 as is_engaged,
        cast(null as boolean) as is_new_visitor,
        sessions.key_events,
        cast(null as bigint) as page_views,
        cast(null as decimal(18, 3)) as engagement_seconds
    from sessions
    left join extractions on sessions.date_day = extractions.date_day
    left join campaign_ids
        on
            sessions.date_day = campaign_ids.date_day
            and sessions.account_id = campaign_ids.account_id
            and sessions.vendor_source is not distinct from campaign_ids.vendor_source
            and sessions.vendor_medium is not distinct from campaign_ids.vendor_medium
            and sessions.vendor_campaign is not distinct from campaign_ids.vendor_campaign

)

{% call as_shape('sessions') %}
select
    collected.{{ visit_columns() | join(', collected.') }},
    1 as session_count,
    {{ origin_key(origin_landing_page('collected.landing_page')) }} as origin_key
from collected
cross join rules
{% endcall %}
