-- Grain: date_day, account_id, ad_id, placement.
{% call as_shape('ad_days') %}
select
    'x_ads' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    day,
    date as date_day,
    account_id,
    campaign_id,
    {{ known('campaign_name') }} as campaign_name,
    objective as campaign_type,
    currency_code,
    line_item_id as ad_group_id,
    {{ known('line_item_name') }} as ad_group_name,
    promoted_tweet_id as ad_id,
    {{ known('tweet_name') }} as ad_name,
    address as final_url,
    impressions,
    url_clicks as clicks,
    video_total_views as video_views,
    {{ money('billed_charge_local_micro * 0.000001') }} as cost_native,
    {{ money('conversions') }} as platform_conversions,
    {{ money('conversions_local_micro * 0.000001') }} as platform_conversions_value_native
from {{ source('raw_x_ads', 'ad_performance') }}
{% endcall %}
