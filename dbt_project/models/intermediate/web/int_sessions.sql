{%- set columns = [
    'raw_day', 'source_system', 'account_id', 'session_id', 'client_id', 'started_at', 'vendor_source', 'vendor_medium',
    'vendor_campaign', 'vendor_campaign_id', 'click_id', 'term', 'content', 'landing_page', 'gclid', 'gbraid', 'wbraid',
    'fbclid', 'yclid', 'msclkid', 'ttclid', 'li_fat_id', 'tag_problems', 'device', 'country', 'is_engaged',
    'is_new_visitor', 'key_events', 'page_views', 'engagement_seconds',
] -%}

with sessions as (

    select {{ columns | join(', ') }} from {{ ref('int_sessions_from_ga4') }}
    union all
    select {{ columns | join(', ') }} from {{ ref('int_sessions_from_export') }}
    union all
    select {{ columns | join(', ') }} from {{ ref('int_sessions_from_files') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

ad_clicks as (

    select gclid, min(campaign_id) as campaign_id
    from {{ ref('stg_google_ads__clicks') }}
    group by gclid

),

-- GA4 knows Google's click ids only: another platform's click without UTM is organic or a referral to it. Where the
-- vendor saw no paid visit the click id decides; and the platform itself says which campaign was clicked
clicked as (

    select
        {% for column in columns if column not in ['click_id', 'vendor_campaign_id'] -%}
        sessions.{{ column }},
        {% endfor -%}
        coalesce(ad_clicks.campaign_id, sessions.vendor_campaign_id) as vendor_campaign_id,
        coalesce(
            sessions.click_id,
            case
                when not {{ is_paid_or_display_medium(normalise_utm('sessions.vendor_medium')) }}
                    then {{ click_id_of('sessions', ['gclid', 'gbraid', 'wbraid', 'msclkid', 'yclid', 'ttclid', 'li_fat_id']) }}
            end
        ) as click_id
    from sessions
    left join ad_clicks on sessions.gclid = ad_clicks.gclid

),

keyed as (

    select *, {{ origin_key() }} as origin_key from clicked

),

origins as (

    select * from {{ classify_origins('keyed') }} as classified

)

select
    keyed.session_id,
    keyed.source_system,
    keyed.account_id,
    keyed.client_id,
    keyed.started_at,
    {{ reporting_date('keyed.started_at', 'settings.reporting_time_zone') }} as session_date,
    origins.channel,
    origins.source,
    origins.medium,
    origins.campaign,
    origins.campaign_key,
    keyed.term,
    keyed.content,
    keyed.landing_page,
    keyed.device,
    keyed.country,
    keyed.vendor_source,
    keyed.vendor_medium,
    keyed.vendor_campaign,
    keyed.gclid,
    keyed.gbraid,
    keyed.wbraid,
    keyed.fbclid,
    keyed.yclid,
    keyed.msclkid,
    keyed.ttclid,
    keyed.li_fat_id,
    keyed.tag_problems,
    keyed.is_engaged,
    keyed.is_new_visitor,
    keyed.key_events,
    keyed.page_views,
    keyed.engagement_seconds
from keyed
cross join settings
inner join origins on keyed.origin_key = origins.origin_key
