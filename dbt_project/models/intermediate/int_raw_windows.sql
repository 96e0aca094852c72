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

-- a rule on landing pages makes them part of an origin, so all days are collected anew
rules as (

    select * from {{ ref('int_landing_page_rules') }}

)

select
    inputs.model,
    days.date_day,
    md5(
        {{ joined_text("days.source || '/' || days.stream || ':' || days.content_hash", ';', 'days.source, days.stream') }}
        || case when bool_or(rules.have_landing_page) then ';landing_page' else '' end
    ) as content_hash
from inputs
inner join days on inputs.source = days.source and inputs.stream = days.stream
cross join rules
group by inputs.model, days.date_day
