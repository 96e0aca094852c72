with ads as (

    select * from {{ ref('int_ads_daily') }}

),

origins as (

    select * from {{ ref('int_ads_classified') }}

),

rates as (

    select * from {{ ref('int_exchange_rates_daily') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

-- spellings of one source or campaign in a file are one source and one campaign from here on
classified as (

    select
        ads.date_day,
        ads.platform,
        ads.account_id,
        coalesce(ads.campaign_id, '(not set)') as campaign_id,
        ads.campaign_key,
        coalesce(ads.ad_group_id, '(not set)') as ad_group_id,
        coalesce(ads.ad_group_name, '(not set)') as ad_group_name,
        coalesce(ads.ad_id, '(not set)') as ad_id,
        coalesce(ads.ad_name, '(not set)') as ad_name,
        origins.channel,
        origins.source,
        origins.medium,
        coalesce(ads.currency_code, '(not set)') as currency_code,
        max(ads.final_url) as final_url,
        cast(sum(ads.impressions) as bigint) as impressions,
        cast(sum(ads.clicks) as bigint) as clicks,
        cast(sum(ads.video_views) as bigint) as video_views,
        {{ money('sum(ads.cost_native)') }} as cost_native,
        {{ money('sum(ads.platform_conversions)') }} as platform_conversions,
        {{ money('sum(ads.platform_conversions_value_native)') }} as platform_conversions_value_native
    from ads
    inner join origins
        on
            ads.platform = origins.platform
            and ads.campaign_key = origins.campaign_key
            and ads.campaign_id is not distinct from origins.campaign_id
            and ads.campaign_name is not distinct from origins.campaign_name
            and ads.vendor_source is not distinct from origins.file_source
            and ads.vendor_medium is not distinct from origins.file_medium
            and ads.file_channel is not distinct from origins.file_channel
    group by all

)

select
    classified.*,
    {{ convert_amount(
        'classified.cost_native', 'classified.currency_code', 'rates.rate_to_reporting', 'settings.reporting_currency'
    ) }} as cost,
    {{ is_rate_missing(
        'classified.cost_native', 'classified.currency_code', 'rates.rate_to_reporting', 'settings.reporting_currency'
    ) }} as is_rate_missing,
    {{ convert_amount(
        'classified.platform_conversions_value_native', 'classified.currency_code', 'rates.rate_to_reporting',
        'settings.reporting_currency'
    ) }} as platform_conversions_value
from classified
cross join settings
left join rates
    on classified.date_day = rates.date_day and classified.currency_code = rates.currency_code
