-- Grain: date_day, account_id, ad_id, placement. Each ad's row on what Meta shows it on is a row of its own source.
{%- set placements = {'facebook': 'fb', 'instagram': 'ig', 'threads': 'th', 'messenger': 'msg', 'audience_network': 'an'} %}
{%- set macros = {
    '{{campaign.id}}': 'days.campaign_id',
    '{{adset.id}}': 'days.adset_id',
    '{{ad.id}}': 'days.ad_id',
    '{{campaign.name}}': as_query_text('ads.campaign_name', space='+'),
    '{{adset.name}}': as_query_text('ads.ad_group_name', space='+'),
    '{{ad.name}}': as_query_text('ads.ad_name', space='+'),
} %}
with days as (

    select * from {{ source('raw_meta_ads', 'ad_performance') }}

),

ads as (

    select * from {{ ref('stg_meta_ads__ads') }}

),

filled as (

    select
        days.*,
        {{ filled_address('ads.address', macros) }} as address,
        case days.publisher_platform
            {%- for placement, short in placements.items() %}
            when '{{ placement }}' then '{{ short }}'
            {%- endfor %}
        end as site_source_name
    from days
    left join ads on days.account_id = ads.account_id and days.ad_id = ads.ad_id

)

{% call as_shape('ad_days') %}
select
    'meta_ads' as platform,
    false as has_campaign_totals,
    false as is_campaign_total,
    day,
    date_start as date_day,
    account_id,
    campaign_id,
    {{ known('campaign_name') }} as campaign_name,
    objective as campaign_type,
    account_currency as currency_code,
    adset_id as ad_group_id,
    {{ known('adset_name') }} as ad_group_name,
    ad_id,
    {{ known('ad_name') }} as ad_name,
    -- where no placement is known the platform's usual source stands
    case
        when publisher_platform = 'threads' then 'threads.net'
        when publisher_platform in ('facebook', 'instagram') then publisher_platform
    end as vendor_source,
    replace(address, {{ "'{{site_source_name}}'" }}, coalesce(site_source_name, '')) as final_url,
    impressions,
    inline_link_clicks as clicks,
    {{ money('spend') }} as cost_native,
    {{ money('conversions') }} as platform_conversions,
    {{ money('conversions_value') }} as platform_conversions_value_native,
    video_views,
    case when publisher_platform in ('facebook', 'instagram', 'threads') then 'paid_social' end as vendor_medium
from filled
{% endcall %}
