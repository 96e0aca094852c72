{{ config(severity='warn') }}
-- Canary: GA4 changes its channel rules now and then (AI Assistant came in May 2026). Origins where our reading of the
-- rules gives another channel than GA4 itself, leaving out where we differ on purpose: user rules, campaign types,
-- source overrides and assistants.
with reported as (

    select
        date_day,
        account_id,
        vendor_source,
        vendor_medium,
        vendor_campaign,
        vendor_channel,
        sum(sessions) as sessions
    from {{ ref('stg_ga4__campaigns') }}
    where {{ in_days_built_lately('int_web_origins_collected', 'day') }}
    group by date_day, account_id, vendor_source, vendor_medium, vendor_campaign, vendor_channel

),

collected as (

    select *
    from {{ ref('int_web_origins_collected') }}
    where {{ in_days_built_lately('int_web_origins_collected', 'date_day') }}

),

overrides as (

    select source from {{ ref('source_category_overrides') }}

)

select
    reported.vendor_source,
    reported.vendor_medium,
    reported.vendor_campaign,
    reported.vendor_channel,
    classified.channel,
    sum(reported.sessions) as sessions
from reported
inner join collected
    on
        reported.date_day = collected.date_day
        and reported.account_id = collected.account_id
        and reported.vendor_source is not distinct from collected.vendor_source
        and reported.vendor_medium is not distinct from collected.vendor_medium
        and reported.vendor_campaign is not distinct from collected.vendor_campaign
inner join {{ ref('int_web_origins_classified') }} as classified on collected.origin_key = classified.origin_key
left join overrides on {{ bare_host('classified.source') }} = overrides.source
where
    classified.channel_basis = 'ga4_rules'
    and classified.medium != 'ai-assistant'
    and overrides.source is null
    and lower(reported.vendor_channel) != lower(classified.channel)
group by
    reported.vendor_source, reported.vendor_medium, reported.vendor_campaign, reported.vendor_channel, classified.channel
