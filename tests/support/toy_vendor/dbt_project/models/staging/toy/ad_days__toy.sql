-- Grain: date_day, account_id, campaign_id.
select
    'toy' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    day,
    date as date_day,
    account_id,
    campaign as campaign_id,
    title as campaign_name,
    'toy' as vendor_source,
    'cpc' as vendor_medium,
    currency as currency_code,
    shown as impressions,
    clicked as clicks,
    {{ money('spend_cents * 0.01') }} as cost_native,
    {{ not_given('ad_days', [
        'campaign_type', 'ad_group_id', 'ad_group_name', 'ad_id', 'ad_name', 'channel', 'platform_conversions',
        'platform_conversions_value_native', 'video_views', 'final_url',
    ]) }}
from {{ source('raw_toy', 'campaign_days') }}
