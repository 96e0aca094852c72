-- Grain: date_day, account_id, campaign_id, ad_group_id, ad_id, goal, goal_type.
{% call as_shape('ad_conversions') %}
select
    'microsoft_ads' as platform,
    day,
    date as date_day,
    account_id,
    currency_code,
    campaign_id,
    ad_group_id,
    ad_id,
    goal as conversion_type,
    {{ money('conversions') }} as conversions,
    {{ money('revenue') }} as value_native
from {{ source('raw_microsoft_ads', 'ad_conversions') }}
{% endcall %}
