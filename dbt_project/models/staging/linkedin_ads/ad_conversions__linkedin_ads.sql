-- Grain: date_day, account_id, ad_id, conversion_type. The rules' conversions are those after a click or a view, cut otherwise.
{%- set kinds = ['oneClickLeads', 'externalWebsitePostClickConversions', 'externalWebsitePostViewConversions'] %}
with days as (

    select * from {{ source('raw_linkedin_ads', 'ad_performance') }}

),

by_rule as (

    select * from {{ source('raw_linkedin_ads', 'ad_conversions') }}

),

ads as (

    select * from {{ ref('stg_linkedin_ads__ads') }}

),

claimed as (

    {% for kind in kinds -%}
    select day, date, account_id, creative_id, currency, '{{ kind }}' as conversion_type, {{ kind }} as conversions, null as value
    from days
    where {{ kind }} > 0
    union all
    {% endfor -%}
    select
        day,
        date,
        account_id,
        creative_id,
        currency,
        'rule ' || conversion_id as conversion_type,
        externalWebsiteConversions as conversions,
        conversionValueInLocalCurrency as value
    from by_rule

)

{% call as_shape('ad_conversions') %}
select
    'linkedin_ads' as platform,
    claimed.day,
    claimed.date as date_day,
    claimed.account_id,
    claimed.currency as currency_code,
    ads.campaign_id,
    ads.ad_group_id,
    claimed.creative_id as ad_id,
    claimed.conversion_type,
    {{ money('claimed.conversions') }} as conversions,
    {{ money('claimed.value') }} as value_native
from claimed
left join ads on claimed.account_id = ads.account_id and claimed.creative_id = ads.ad_id
{% endcall %}
