-- Grain: date_day, account_id, ad_id.
with days as (

    select * from {{ source('raw_linkedin_ads', 'ad_performance') }}

),

ads as (

    select * from {{ ref('stg_linkedin_ads__ads') }}

),

-- of a creative that is listed no more its campaign still is, where another creative has it
ad_groups as (

    select
        account_id,
        ad_group_id,
        min(ad_group_name) as ad_group_name,
        min(campaign_id) as campaign_id,
        min(campaign_name) as campaign_name,
        min(campaign_type) as campaign_type
    from ads
    group by account_id, ad_group_id

),

placed as (

    select
        days.*,
        ads.ad_name,
        ads.address,
        coalesce(days.campaign_id, ads.ad_group_id) as ad_group_id
    from days
    left join ads on days.account_id = ads.account_id and days.creative_id = ads.ad_id

)

{% call as_shape('ad_days') %}
select
    'linkedin_ads' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    placed.day,
    placed.date as date_day,
    placed.account_id,
    ad_groups.campaign_id,
    {{ known('ad_groups.campaign_name') }} as campaign_name,
    ad_groups.campaign_type,
    placed.currency as currency_code,
    placed.ad_group_id,
    {{ known('ad_groups.ad_group_name') }} as ad_group_name,
    placed.creative_id as ad_id,
    {{ known('placed.ad_name') }} as ad_name,
    placed.address as final_url,
    placed.impressions,
    placed.clicks,
    placed.videoViews as video_views,
    {{ money('placed.costInLocalCurrency') }} as cost_native,
    {{ money('placed.conversions') }} as platform_conversions,
    {{ money('placed.conversions_value') }} as platform_conversions_value_native
from placed
left join ad_groups on placed.account_id = ad_groups.account_id and placed.ad_group_id = ad_groups.ad_group_id
{% endcall %}
