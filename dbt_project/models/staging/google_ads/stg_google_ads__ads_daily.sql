with source as (

    select * from {{ source('raw_google_ads', 'ad_performance') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        campaign_id,
        ad_group_id,
        ad_id,

        ---------- dates
        date as date_day,
        day,

        ---------- strings
        customer_currency_code as currency_code,
        campaign_name,
        campaign_advertising_channel_type as campaign_type,
        {{ known('ad_group_name') }} as ad_group_name,
        {{ known('ad_name') }} as ad_name,

        ---------- numerics
        impressions,
        clicks,
        {{ money('cost_micros * 0.000001') }} as cost_native,
        {{ money('conversions') }} as platform_conversions,
        {{ money('conversions_value') }} as platform_conversions_value_native,

        ---------- timestamps
        _extracted_at as extracted_at

    from source

)

select * from renamed
