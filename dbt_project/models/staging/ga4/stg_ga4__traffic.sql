with source as (

    select * from {{ source('raw_ga4', 'traffic') }}

),

renamed as (

    select
        ---------- ids
        account_id,

        ---------- dates
        date as date_day,
        day,

        ---------- origin, as GA4 gives it
        sessionSource as vendor_source,
        sessionMedium as vendor_medium,
        sessionCampaignName as vendor_campaign,

        sessionManualTerm as vendor_term,
        sessionManualAdContent as vendor_content,
        landingPage as vendor_landing_page,
        deviceCategory as vendor_device,
        countryId as vendor_country,

        ---------- strings
        {{ known('sessionManualTerm') }} as term,
        {{ known('sessionManualAdContent') }} as content,
        {{ url_path('landingPage') }} as landing_page,
        {{ normalise_device('deviceCategory') }} as device,
        {{ normalise_country('countryId') }} as country,

        ---------- numerics
        sessions,
        engagedSessions as engaged_sessions,
        newUsers as new_visitors,
        cast(round(keyEvents) as bigint) as key_events,
        screenPageViews as page_views,
        cast(userEngagementDuration as decimal(18, 3)) as engagement_seconds,
        -- the share times the sessions is a whole number again
        cast(round(sessionKeyEventRate * sessions) as bigint) as sessions_with_key_event,

        ---------- timestamps
        _extracted_at as extracted_at

    from source

)

select * from renamed
