-- Grain: date_day, account_id, campaign_id, ad_group_id, ad_id; and one row a campaign. Performance Max has no ads and
-- removed ads are missing: the campaign report is the total that ads must add up to.
{%- set columns = [
    'day', 'date_day', 'account_id', 'campaign_id', 'campaign_name', 'campaign_type', 'currency_code', 'impressions', 'clicks',
    'cost_native', 'platform_conversions', 'platform_conversions_value_native',
] %}
{% call as_shape('ad_days') %}
select
    'google_ads' as platform,
    true as has_campaign_totals,
    false as is_campaign_total,
    {{ columns | join(', ') }},
    ad_group_id,
    ad_group_name,
    ad_id,
    ad_name
from {{ ref('stg_google_ads__ads_daily') }}
{% endcall %}

union all

{% call as_shape('ad_days') %}
select
    'google_ads' as platform,
    true as has_campaign_totals,
    true as is_campaign_total,
    {{ columns | join(', ') }}
from {{ ref('stg_google_ads__campaigns_daily') }}
{% endcall %}
