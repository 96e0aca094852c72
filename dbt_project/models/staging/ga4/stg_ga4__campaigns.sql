with source as (

    select * from {{ source('raw_ga4', 'campaigns') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        sessionCampaignId as vendor_campaign_id,

        ---------- dates
        date as date_day,
        day,

        ---------- origin, as GA4 gives it
        sessionSource as vendor_source,
        sessionMedium as vendor_medium,
        sessionCampaignName as vendor_campaign,
        sessionDefaultChannelGroup as vendor_channel,

        ---------- numerics
        sessions

    from source

)

select * from renamed
