-- Grain: date_day, account_id, ad_id, placement, conversion_type. X says 0 where nobody has said what a conversion is worth.
{% call as_shape('ad_conversions') %}
select
    'x_ads' as platform,
    day,
    date as date_day,
    account_id,
    currency_code,
    campaign_id,
    line_item_id as ad_group_id,
    promoted_tweet_id as ad_id,
    conversion_type,
    {{ money('conversions') }} as conversions,
    nullif({{ money('sale_amount_local_micro * 0.000001') }}, 0) as value_native
from {{ source('raw_x_ads', 'ad_conversions') }}
{% endcall %}
