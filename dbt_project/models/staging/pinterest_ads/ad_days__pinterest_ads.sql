-- Grain: date_day, account_id, ad_id.
{%- set names = "replace(replace(replace(replace(replace({}, '%', '%25'), '&', '%26'), '#', '%23'), '+', '%2B'), ' ', '%20')" %}
{%- set macros = {
    '{campaignid}': 'days.campaign_id',
    '{campaignname}': names.format('days.campaign_name'),
    '{adgroupid}': 'days.ad_group_id',
    '{adgroupname}': names.format('days.ad_group_name'),
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
        {% set address = namespace(sql='ads.address') -%}
        {%- for macro, value in macros.items() -%}
        {%- set address.sql = "replace(" ~ address.sql ~ ", '" ~ macro ~ "', coalesce(" ~ value ~ ", ''))" -%}
        {%- endfor -%}
        {{ address.sql }} as address,
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
