with source as (

    select * from {{ source('raw_ga4', 'sessions') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        {{ usable_client_id('clientId') }} as client_id,

        ---------- dates
        date as date_day,
        dateHourMinute as started_at_local,
        day,

        ---------- origin, as GA4 gives it
        sessionSource as vendor_source,
        sessionMedium as vendor_medium,
        sessionCampaignName as vendor_campaign,

        clientId as vendor_client_id,
        sessionManualTerm as vendor_term,
        sessionManualAdContent as vendor_content,
        landingPagePlusQueryString as vendor_landing_page_url,
        deviceCategory as vendor_device,

        ---------- strings
        {{ known('sessionManualTerm') }} as term,
        {{ known('sessionManualAdContent') }} as content,
        {{ known('landingPagePlusQueryString') }} as landing_page_url,
        {{ normalise_device('deviceCategory') }} as device,

        ---------- numerics
        sessions,
        engagedSessions as engaged_sessions,
        cast(round(keyEvents) as bigint) as key_events

    from source

)

select * from renamed
