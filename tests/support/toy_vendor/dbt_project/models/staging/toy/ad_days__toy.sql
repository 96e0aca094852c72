-- Grain: date_day, account_id, campaign_id.
{% call as_shape('ad_days') %}
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
    {{ money('spend_cents * 0.01') }} as cost_native
from {{ source('raw_toy', 'campaign_days') }}
{% endcall %}
