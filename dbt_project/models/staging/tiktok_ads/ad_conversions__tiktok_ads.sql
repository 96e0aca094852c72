-- Grain: date_day, account_id, ad_id, conversion_type.
{% call as_shape('ad_conversions') %}
select
    'tiktok_ads' as platform,
    day,
    stat_time_day as date_day,
    account_id,
    currency as currency_code,
    campaign_id,
    adgroup_id as ad_group_id,
    ad_id,
    conversion_type,
    {{ money('conversions') }} as conversions,
    {{ money('value') }} as value_native
from {{ source('raw_tiktok_ads', 'ad_conversions') }}
{% endcall %}
