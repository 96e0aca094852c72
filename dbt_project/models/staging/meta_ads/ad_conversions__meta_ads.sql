-- Grain: date_day, account_id, ad_id, conversion_type.
select
    'meta_ads' as platform,
    day,
    date_start as date_day,
    account_id,
    account_currency as currency_code,
    campaign_id,
    adset_id as ad_group_id,
    ad_id,
    action_type as conversion_type,
    {{ money('value') }} as conversions,
    {{ money('money_value') }} as value_native
from {{ source('raw_meta_ads', 'ad_actions') }}
