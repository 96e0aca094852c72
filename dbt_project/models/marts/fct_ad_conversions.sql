with conversions as (

    select * from {{ ref('ad_conversions') }}

),

rates as (

    select * from {{ ref('int_exchange_rates_daily') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

reported as (

    select
        date_day,
        platform,
        account_id,
        coalesce(campaign_id, '(not set)') as campaign_id,
        platform || ':' || coalesce(lower(campaign_id), '(not set)') as campaign_key,
        coalesce(ad_group_id, '(not set)') as ad_group_id,
        coalesce(ad_id, '(not set)') as ad_id,
        coalesce(conversion_type, '(not set)') as conversion_type,
        coalesce(currency_code, '(not set)') as currency_code,
        {{ money('sum(conversions)') }} as conversions,
        {{ money('sum(value_native)') }} as value_native
    from conversions
    group by all

)

select
    reported.*,
    {{ convert_amount(
        'reported.value_native', 'reported.currency_code', 'rates.rate_to_reporting', 'settings.reporting_currency'
    ) }} as value,
    {{ is_rate_missing(
        'reported.value_native', 'reported.currency_code', 'rates.rate_to_reporting', 'settings.reporting_currency'
    ) }} as is_rate_missing
from reported
cross join settings
left join rates
    on reported.date_day = rates.date_day and reported.currency_code = rates.currency_code
