-- Grain: date_day, account_id, campaign_id, ad_id, ad_network_type, goal.
select
    'yandex_direct' as platform,
    day,
    date as date_day,
    account_id,
    currency as currency_code,
    campaign_id,
    nullif(ad_group_id, '--') as ad_group_id,
    nullif(ad_id, '--') as ad_id,
    'goal ' || goal_id as conversion_type,
    {{ money('conversions') }} as conversions,
    {{ money('revenue') }} as value_native
from {{ source('raw_yandex_direct', 'ad_conversions') }}
