-- Grain: date_day, account_id, ad_id.
{%- set macros = {
    '__CAMPAIGN_ID__': 'days.campaign_id',
    '__CAMPAIGN_NAME__': as_query_text('coalesce(days.campaign_name, ads.campaign_name)'),
    '__AID__': 'days.adgroup_id',
    '__AID_NAME__': as_query_text('coalesce(days.adgroup_name, ads.ad_group_name)'),
    '__CID__': 'days.ad_id',
    '__CID_NAME__': as_query_text('coalesce(days.ad_name, ads.ad_name)'),
} %}
with days as (

    select * from {{ source('raw_tiktok_ads', 'ad_performance') }}

),

ads as (

    select * from {{ ref('stg_tiktok_ads__ads') }}

),

filled as (

    select
        days.*,
        {{ filled_address('ads.address', macros) }} as address
    from days
    left join ads on days.account_id = ads.account_id and days.ad_id = ads.ad_id

)

{% call as_shape('ad_days') %}
select
    'tiktok_ads' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    day,
    stat_time_day as date_day,
    account_id,
    campaign_id,
    {{ known('campaign_name') }} as campaign_name,
    objective_type as campaign_type,
    currency as currency_code,
    adgroup_id as ad_group_id,
    {{ known('adgroup_name') }} as ad_group_name,
    ad_id,
    {{ known('ad_name') }} as ad_name,
    address as final_url,
    impressions,
    clicks,
    video_play_actions as video_views,
    {{ money('spend') }} as cost_native,
    {{ money('conversions') }} as platform_conversions,
    {{ money('conversions_value') }} as platform_conversions_value_native
from filled
{% endcall %}
