-- where an ad's clicks come from: what its file says, else what the platform's click id implies; a channel that its file
-- gives stands above every rule
with ads as (

    select distinct
        platform,
        campaign_key,
        campaign_id,
        campaign_name,
        vendor_source as file_source,
        vendor_medium as file_medium,
        file_channel
    from {{ ref('int_ads_daily') }}

),

platforms as (

    select * from {{ ref('ad_platforms') }}

),

campaigns as (

    select * from {{ ref('int_ad_campaigns') }}

),

origins as (

    select
        ads.*,
        coalesce(ads.file_source, platforms.source, ads.platform) as vendor_source,
        coalesce(ads.file_medium, platforms.medium, 'cpc') as vendor_medium,
        ads.campaign_name as vendor_campaign,
        ads.campaign_id as vendor_campaign_id,
        cast(null as string) as click_id,
        cast(null as string) as landing_page
    from ads
    left join platforms on ads.platform = platforms.platform

),

keyed as (

    select *, {{ origin_key() }} as origin_key from origins

),

classified as (

    select * from {{ classify_origins('keyed') }} as classified

)

select
    keyed.platform,
    keyed.campaign_key,
    keyed.campaign_id,
    keyed.campaign_name,
    keyed.file_source,
    keyed.file_medium,
    keyed.file_channel,
    classified.source,
    classified.medium,
    case
        when keyed.file_channel is not null then keyed.file_channel
        when classified.channel_basis = 'user_rule' then classified.channel
        else coalesce(campaigns.channel, classified.channel)
    end as channel
from keyed
inner join classified on keyed.origin_key = classified.origin_key
left join campaigns on keyed.campaign_key = campaigns.campaign_key
