with source as (

    select * from {{ source('raw_ga4', 'key_events') }}

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

        landingPage as vendor_landing_page,
        deviceCategory as vendor_device,
        countryId as vendor_country,

        ---------- strings
        eventName as goal,
        {{ url_path('landingPage') }} as landing_page,
        {{ normalise_device('deviceCategory') }} as device,
        {{ normalise_country('countryId') }} as country,

        ---------- numerics
        cast(round(keyEvents) as bigint) as key_events,
        totalUsers as visitors,
        sessions

    from source

)

select * from renamed
