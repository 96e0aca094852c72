-- Grain: date_day, account_id, ad_id.
{% call as_shape('ad_days') %}
select
    'vk_ads' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    day,
    date as date_day,
    account_id,
    ad_plan_id as campaign_id,
    {{ known('ad_plan_name') }} as campaign_name,
    objective as campaign_type,
    currency_code,
    ad_group_id,
    {{ known('ad_group_name') }} as ad_group_name,
    banner_id as ad_id,
    {{ known('banner_name') }} as ad_name,
    address as final_url,
    shows as impressions,
    clicks,
    video_started as video_views,
    {{ money('spent') }} as cost_native,
    {{ money('goals') }} as platform_conversions,
    {{ money('value') }} as platform_conversions_value_native
from {{ source('raw_vk_ads', 'ad_performance') }}
{% endcall %}
