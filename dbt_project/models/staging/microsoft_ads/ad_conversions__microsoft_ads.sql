-- Grain: date_day, account_id, campaign_id, ad_group_id, ad_id, goal, goal_type. Revenue is 0 where nobody has said what a goal
-- is worth.
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
    nullif(goal, '') as conversion_type,
    {{ money('conversions') }} as conversions,
    nullif({{ money('revenue') }}, 0) as value_native
from {{ source('raw_microsoft_ads', 'ad_conversions') }}
{% endcall %}
