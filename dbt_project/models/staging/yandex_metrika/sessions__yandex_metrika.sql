{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='stg_meta__windows',
    window_column='raw_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('stg_meta__windows') }}"
) }}
{%- set days = days_to_replace('stg_meta__windows') %}

-- origin: the tags, or what Metrica saw; else click id and UTM of the landing URL; else the referrer; else nothing (direct).
-- Engaged as the other counters mean it: over 10 seconds, two pages or a goal. Metrica's bounce is another measure.
with given as (

    select *, {{ mended_address('landing_page_url') }} as landing_address
    from {{ ref('stg_yandex_metrika__visits') }}
    where {{ in_days('day', days) }}

),

sessions as (

    select
        *,
        vendor_source is not null or vendor_medium is not null as is_origin_given,
        {{ url_param('landing_address', 'utm_source') }} as utm_source,
        {{ url_param('landing_address', 'utm_medium') }} as utm_medium,
        {{ url_param('landing_address', 'utm_campaign') }} as utm_campaign,
        {{ url_param('landing_address', 'utm_id') }} as utm_id,
        {{ url_param('landing_address', 'utm_term') }} as utm_term,
        {{ url_param('landing_address', 'utm_content') }} as utm_content,
        {{ usable_id(rare_url_param('landing_address', 'srsltid')) }} as srsltid,
        {{ landing_columns('landing_address', 'landing_page_url') }},
        {{ url_host('landing_page_url') }} as landing_host,
        {{ url_host('referrer') }} as referrer_host
    from given

),

referrers as (

    select * from {{ resolve_referrers('sessions') }} as resolved

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

collected as (

    select
        cast(sessions.day as date) as raw_day,
        sessions.account_id,
        sessions.session_id,
        sessions.client_id,
        sessions.started_at,
        case
            when sessions.is_origin_given then sessions.vendor_source
            when sessions.utm_source is not null or sessions.utm_medium is not null then sessions.utm_source
            else referrers.source
        end as vendor_source,
        case
            when sessions.is_origin_given then sessions.vendor_medium
            when sessions.utm_source is not null or sessions.utm_medium is not null then sessions.utm_medium
            else referrers.medium
        end as vendor_medium,
        coalesce(sessions.vendor_campaign, sessions.utm_campaign) as vendor_campaign,
        coalesce(sessions.utm_id, sessions.direct_campaign_id) as vendor_campaign_id,
        case
            when not sessions.is_origin_given then {{ click_id_of('sessions', landing_click_ids() + ['srsltid']) }}
        end as click_id,
        coalesce(sessions.term, sessions.utm_term) as term,
        coalesce(sessions.content, sessions.utm_content) as content,
        sessions.landing_page,
        {% for name in click_id_names() + address_click_id_names() -%}
        sessions.{{ name }},
        {% endfor -%}
        sessions.tag_problems,
        sessions.device,
        sessions.country,
        coalesce(sessions.engagement_seconds > 10 or sessions.page_views >= 2 or sessions.key_events > 0, false) as is_engaged,
        sessions.is_new_visitor,
        sessions.key_events,
        1 as session_count,
        {{ not_given('sessions', ['engaged_sessions', 'new_visitors', 'sessions_with_key_event']) }},
        sessions.page_views,
        cast(sessions.engagement_seconds as decimal(18, 3)) as engagement_seconds
    from sessions
    left join referrers
        on
            sessions.referrer_host = referrers.referrer_host
            and sessions.referrer_host is distinct from sessions.landing_host

)

select collected.*, {{ origin_key(origin_landing_page('collected.landing_page')) }} as origin_key
from collected
cross join rules
