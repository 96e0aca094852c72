-- How the visits of each month were tagged, as people wrote it, with what became of it. A counter of sums gives its own channel with it.
with truth as (

    select * from {{ ref('int_web_truth') }}

),

reported as (

    select
        cast(date_trunc('month', campaigns.date_day) as date) as month_start,
        campaigns.source_system,
        campaigns.account_id,
        campaigns.vendor_source,
        campaigns.vendor_medium,
        campaigns.vendor_campaign,
        {{ known('campaigns.vendor_campaign_id') }} as vendor_campaign_id,
        campaigns.vendor_channel,
        cast(null as string) as click_id,
        cast(null as string) as landing_page,
        sum(campaigns.sessions) as sessions
    from {{ ref('web_campaigns') }} as campaigns
    inner join truth on campaigns.source_system = truth.web_truth
    group by all

),

keyed as (

    select *, {{ origin_key() }} as origin_key from reported

),

origins as (

    select * from {{ classify_origins('keyed') }} as classified

),

tagged as (

    select
        keyed.month_start,
        keyed.source_system,
        keyed.account_id,
        keyed.vendor_source,
        keyed.vendor_medium,
        keyed.vendor_campaign,
        keyed.vendor_campaign_id,
        keyed.vendor_channel,
        origins.source,
        origins.medium,
        origins.campaign,
        origins.campaign_key,
        origins.channel,
        origins.channel_basis,
        keyed.sessions
    from keyed
    inner join origins on keyed.origin_key = origins.origin_key

    union all

    select
        cast(date_trunc('month', known_sessions.session_date) as date) as month_start,
        known_sessions.source_system,
        known_sessions.account_id,
        known_sessions.vendor_source,
        known_sessions.vendor_medium,
        known_sessions.vendor_campaign,
        cast(null as string) as vendor_campaign_id,
        cast(null as string) as vendor_channel,
        known_sessions.source,
        known_sessions.medium,
        known_sessions.campaign,
        known_sessions.campaign_key,
        known_sessions.channel,
        cast(null as string) as channel_basis,
        sum(known_sessions.session_count) as sessions
    from {{ ref('int_sessions') }} as known_sessions
    inner join truth on known_sessions.source_system = truth.web_truth
    where not {{ gives('web_campaigns', 'known_sessions.source_system') }}
    group by all

)

select
    tagged.month_start,
    tagged.source_system,
    tagged.account_id,
    tagged.vendor_source,
    tagged.vendor_medium,
    tagged.vendor_campaign,
    tagged.vendor_campaign_id,
    tagged.vendor_channel,
    tagged.source,
    tagged.medium,
    tagged.campaign,
    tagged.campaign_key,
    campaigns.platform,
    coalesce(as_given.platform, without_www.platform) as source_platform,
    tagged.channel,
    tagged.channel_basis,
    {{ is_paid_or_display_medium(normalise_utm('tagged.vendor_medium')) }} as is_tagged_paid,
    {% for parameter in ['source', 'medium', 'campaign'] -%}
    coalesce(lower(tagged.vendor_{{ parameter }}) != {{ normalise_utm('tagged.vendor_' ~ parameter) }}, false) {{ 'or' if not loop.last }}
    {% endfor -%}
    as is_cleaned,
    cast(tagged.sessions as bigint) as sessions
from tagged
left join {{ ref('int_ad_campaigns') }} as campaigns on tagged.campaign_key = campaigns.campaign_key
left join {{ ref('int_sources_categorised') }} as as_given on tagged.source = as_given.source
left join {{ ref('int_sources_categorised') }} as without_www on {{ bare_host('tagged.source') }} = without_www.source
