{%- set columns = [
    'raw_day', 'source_system', 'account_id', 'session_id', 'client_id', 'started_at', 'vendor_source', 'vendor_medium',
    'vendor_campaign', 'vendor_campaign_id', 'click_id', 'term', 'content', 'gclid', 'gbraid', 'wbraid',
    'fbclid', 'yclid', 'msclkid', 'ttclid', 'li_fat_id', 'dclid', 'twclid', 'sccid', 'epik', 'rdt_cid', 'tag_problems', 'is_engaged',
    'is_new_visitor', 'key_events', 'page_views', 'engagement_seconds', 'origin_key',
] + visit_cuts() -%}
{#- rows of files that stand for several sessions -#}
{%- set counts = ['session_count', 'engaged_sessions', 'new_visitors', 'sessions_with_key_event'] -%}

with sessions as (

    select {{ (columns + counts) | join(', ') }} from {{ ref('sessions') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

ad_clicks as (

    select click_id as gclid, min(campaign_id) as campaign_id
    from {{ ref('ad_clicks') }}
    where click_id_name = 'gclid'
    group by click_id

),

-- A counter may know one platform's click ids only: another platform's click without UTM is organic or a referral to it. Where the
-- vendor saw no paid visit the click id decides; and the platform itself says which campaign was clicked. fbclid proves
-- no payment, but where the visit came from when the vendor saw nothing: apps send no referrer. A click that the platform
-- lists is the platform's, whatever the tags say
clicked as (

    select
        {% for column in columns + counts if column not in ['click_id', 'vendor_campaign_id', 'origin_key'] -%}
        sessions.{{ column }},
        {% endfor -%}
        sessions.origin_key as given_origin_key,
        sessions.vendor_campaign_id as given_campaign_id,
        sessions.click_id as given_click_id,
        coalesce(ad_clicks.campaign_id, sessions.vendor_campaign_id) as vendor_campaign_id,
        coalesce(
            case when ad_clicks.gclid is not null and {{ normalise_utm('sessions.vendor_source') }} is distinct from 'google' then 'gclid' end,
            sessions.click_id,
            case
                when not {{ is_paid_or_display_medium(normalise_utm('sessions.vendor_medium')) }}
                    then {{ click_id_of('sessions', paid_click_ids()) }}
            end,
            case
                when
                    sessions.fbclid is not null
                    and (
                        {{ normalise_utm('sessions.vendor_source') }} = '(direct)'
                        or coalesce(sessions.vendor_source, sessions.vendor_medium) is null
                    )
                    then 'fbclid'
            end
        ) as click_id
    from sessions
    left join ad_clicks on sessions.gclid = ad_clicks.gclid

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

-- a key costs a hash: only where a click changed what it is made of
keyed as (

    select
        clicked.*,
        case
            when
                vendor_campaign_id is not distinct from given_campaign_id
                and click_id is not distinct from given_click_id
                then given_origin_key
            else {{ origin_key(origin_landing_page('landing_page')) }}
        end as origin_key
    from clicked
    cross join rules

),

given_origins as (

    select distinct
        keyed.vendor_source,
        keyed.vendor_medium,
        keyed.vendor_campaign,
        keyed.vendor_campaign_id,
        keyed.click_id,
        {{ origin_landing_page('keyed.landing_page') }} as landing_page
    from keyed
    cross join rules

),

origins as (

    select * from {{ classify_origins('given_origins') }} as classified

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
    keyed.{{ visit_cuts() | join(', keyed.') }},
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
    keyed.dclid,
    keyed.twclid,
    keyed.sccid,
    keyed.epik,
    keyed.rdt_cid,
    keyed.tag_problems,
    keyed.is_engaged,
    keyed.is_new_visitor,
    keyed.key_events,
    keyed.page_views,
    keyed.engagement_seconds,
    keyed.{{ counts | join(', keyed.') }}
from keyed
cross join settings
inner join origins on keyed.origin_key = origins.origin_key
