-- Grain: date_day, account_id, campaign_id, ad_group_id, ad_id; and one row a campaign. Performance Max has no ads: the
-- campaign report is the total that ads must add up to.
{%- set columns = [
    'day', 'account_id', 'campaign_id', 'currency_code', 'impressions', 'clicks', 'video_views',
] %}
{%- set kinds = "case lower(campaign_type) when 'search & content' then 'search' when 'dynamic search' then 'search' when 'audience' then 'display' else lower(campaign_type) end" %}
{% call as_shape('ad_days') %}
select
    'microsoft_ads' as platform,
    true as has_campaign_totals,
    false as is_campaign_total,
    {{ columns | join(', ') }},
    date as date_day,
    {{ known('campaign_name') }} as campaign_name,
    {{ kinds }} as campaign_type,
    {{ money('spend') }} as cost_native,
    {{ money('conversions') }} as platform_conversions,
    {{ money('revenue') }} as platform_conversions_value_native,
    ad_group_id,
    {{ known('ad_group_name') }} as ad_group_name,
    ad_id,
    {{ known('ad_title') }} as ad_name,
    address as final_url
from {{ source('raw_microsoft_ads', 'ad_performance') }}
{% endcall %}

union all

{% call as_shape('ad_days') %}
select
    'microsoft_ads' as platform,
    true as has_campaign_totals,
    true as is_campaign_total,
    {{ columns | join(', ') }},
    date as date_day,
    {{ known('campaign_name') }} as campaign_name,
    {{ kinds }} as campaign_type,
    {{ money('spend') }} as cost_native,
    {{ money('conversions') }} as platform_conversions,
    {{ money('revenue') }} as platform_conversions_value_native
from {{ source('raw_microsoft_ads', 'campaign_performance') }}
{% endcall %}
