-- Grain: date_day, account_id, ad_id, conversion_type. Only what happened is a row.
{%- set kinds = {
    'CHECKOUT': 'total_checkout_value',
    'SIGNUP': 'total_signup_value',
    'CUSTOM': 'total_custom_value',
    'LEAD': 'null',
} %}
with days as (

    select * from {{ source('raw_pinterest_ads', 'ad_performance') }}

),

claimed as (

    {% for kind, value in kinds.items() -%}
    select *, '{{ kind }}' as conversion_type, total_{{ kind | lower }} as claimed, {{ value }} as worth
    from days
    where total_{{ kind | lower }} > 0
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

{% call as_shape('ad_conversions') %}
select
    'pinterest_ads' as platform,
    day,
    date as date_day,
    account_id,
    currency as currency_code,
    campaign_id,
    ad_group_id,
    ad_id,
    conversion_type,
    {{ money('claimed') }} as conversions,
    {{ money('worth') }} as value_native
from claimed
{% endcall %}
