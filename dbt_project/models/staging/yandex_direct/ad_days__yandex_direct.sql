-- Grain: date_day, account_id, campaign_id, ad_id, ad_network_type. A campaign of the wizard shows no ads: it is one row.
{%- set macros = {
    '{campaign_id}': 'days.campaign_id',
    '{campaign_name}': as_query_text('coalesce(days.campaign_name, ads.campaign_name)'),
    '{gbid}': 'days.ad_group_id',
    '{ad_id}': 'days.ad_id',
    '{banner_id}': 'days.ad_id',
    '{source_type}': "case days.ad_network_type when 'SEARCH' then 'search' when 'AD_NETWORK' then 'context' end",
} %}
with days as (

    select * from {{ source('raw_yandex_direct', 'ad_performance') }}

),

ads as (

    select * from {{ ref('stg_yandex_direct__ads') }}

)

{% call as_shape('ad_days') %}
select
    'yandex_direct' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    days.day,
    days.date as date_day,
    days.account_id,
    days.campaign_id,
    {{ known('days.campaign_name') }} as campaign_name,
    days.campaign_type,
    days.currency as currency_code,
    nullif(days.ad_group_id, '--') as ad_group_id,
    {{ known('days.ad_group_name') }} as ad_group_name,
    nullif(days.ad_id, '--') as ad_id,
    {{ filled_address('ads.address', macros) }} as final_url,
    days.impressions,
    days.clicks,
    {{ money('days.cost') }} as cost_native,
    {{ money('days.conversions') }} as platform_conversions,
    {{ money('days.revenue') }} as platform_conversions_value_native
from days
left join ads on days.account_id = ads.account_id and days.ad_id = ads.ad_id
{% endcall %}
