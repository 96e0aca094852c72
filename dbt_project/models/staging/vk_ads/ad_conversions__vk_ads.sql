-- Grain: date_day, account_id, ad_id, goal, conversion_type, source, counter_id. VK says 0 where nobody has said what a goal
-- is worth.
{% call as_shape('ad_conversions') %}
select
    'vk_ads' as platform,
    day,
    date as date_day,
    account_id,
    currency_code,
    ad_plan_id as campaign_id,
    ad_group_id,
    banner_id as ad_id,
    goal || ' ' || conversion_type as conversion_type,
    {{ money('conversions') }} as conversions,
    nullif({{ money('value') }}, 0) as value_native
from {{ source('raw_vk_ads', 'ad_conversions') }}
{% endcall %}
