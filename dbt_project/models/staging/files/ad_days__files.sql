-- Grain: date_day, platform, account_id, ad, origin. A file may hold several rows of what is one ad to us.
{%- set measures = [
    'impressions', 'clicks', 'cost_native', 'platform_conversions', 'platform_conversions_value_native'
] %}
{% call as_shape('ad_days') %}
select
    day,
    date_day,
    platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    account_id,
    campaign_id,
    currency_code,
    campaign_name,
    max(campaign_type) as campaign_type,
    ad_group_id,
    ad_group_name,
    ad_id,
    ad_name,
    vendor_source,
    vendor_medium,
    channel,
    {%- for measure in measures %}
    sum({{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ ref('stg_files__ad_costs') }}
group by
    day, date_day, platform, account_id, campaign_id, currency_code, campaign_name, ad_group_id, ad_group_name, ad_id, ad_name,
    vendor_source, vendor_medium, channel
{% endcall %}
