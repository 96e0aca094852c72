-- Grain: date_day, account_id, ad_id.
{%- set macros = {
    '{campaignid}': 'days.campaign_id',
    '{campaignname}': as_query_text('days.campaign_name'),
    '{adgroupid}': 'days.ad_group_id',
    '{adgroupname}': as_query_text('days.ad_group_name'),
    '{adid}': 'days.ad_id',
} %}
with days as (

    select * from {{ source('raw_pinterest_ads', 'ad_performance') }}

),

ads as (

    select * from {{ ref('stg_pinterest_ads__ads') }}

),

filled as (

    select
        days.*,
        {{ filled_address('ads.address', macros) }} as address,
        ads.ad_name as listed_name
    from days
    left join ads on days.account_id = ads.account_id and days.ad_id = ads.ad_id

)

{% call as_shape('ad_days') %}
select
    'pinterest_ads' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    day,
    date as date_day,
    account_id,
    campaign_id,
    {{ known('campaign_name') }} as campaign_name,
    currency as currency_code,
    ad_group_id,
    {{ known('ad_group_name') }} as ad_group_name,
    ad_id,
    coalesce({{ known('ad_name') }}, {{ known('listed_name') }}) as ad_name,
    address as final_url,
    paid_impression as impressions,
    outbound_click_1 as clicks,
    total_video_3sec_views as video_views,
    {{ money('spend') }} as cost_native,
    {{ money('conversions') }} as platform_conversions,
    {{ money('conversions_value') }} as platform_conversions_value_native
from filled
{% endcall %}
