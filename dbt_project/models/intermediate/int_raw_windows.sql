-- what each day-by-day model is built from: a day is built anew when one of its streams has other content
with inputs as (

    select model, source, stream
    from (
        values
        ('int_web_origins_collected', 'ga4', 'traffic'),
        ('int_web_origins_collected', 'ga4', 'key_events'),
        ('int_web_origins_collected', 'ga4', 'campaigns'),
        ('int_sessions_from_ga4', 'ga4', 'sessions'),
        ('int_sessions_from_ga4', 'ga4', 'campaigns'),
        ('int_sessions_from_files', 'files', 'sessions'),
        ('int_export_sessions_daily', 'ga4_export', 'events'),
        ('int_key_events_collected', 'ga4', 'key_events'),
        ('int_key_events_collected', 'ga4_export', 'events'),
        ('int_key_events_collected', 'files', 'sessions'),
        ('int_ads_daily', 'google_ads', 'campaign_performance'),
        ('int_ads_daily', 'google_ads', 'ad_performance'),
        ('int_ads_daily', 'files', 'ad_cost')
    ) as listed (model, source, stream)

),

days as (

    select * from {{ ref('stg_meta__days') }}

),

-- settings that decide what is collected: where they change, all days are collected anew
settings as (

    select
        case when rules.have_landing_page then 'landing_page' else '' end as landing_page_rules,
        {{ row_key(['settings.web_own_domains', 'settings.web_ignored_referrers']) }} as ignored_referrers
    from {{ ref('stg_config__settings') }} as settings
    cross join {{ ref('int_landing_page_rules') }} as rules

)

select
    inputs.model,
    days.date_day,
    md5(
        {{ joined_text("days.source || '/' || days.stream || ':' || days.content_hash", ';', 'days.source, days.stream') }}
        || ';' || max(settings.landing_page_rules)
        || ';' || case when inputs.model = 'int_sessions_from_files' then max(settings.ignored_referrers) else '' end
    ) as content_hash
from inputs
inner join days on inputs.source = days.source and inputs.stream = days.stream
cross join settings
group by inputs.model, days.date_day
