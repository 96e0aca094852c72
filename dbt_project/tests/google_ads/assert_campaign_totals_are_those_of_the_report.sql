{{ config(enabled='google_ads' in sources_on()) }}
-- The campaign report as it came, in micros, is what the campaign totals add up to.
with reported as (

    select account_id, date as date_day, sum(cost_micros) * 0.000001 as cost_native
    from {{ source('raw_google_ads', 'campaign_performance') }}
    where {{ in_days_built_lately('int_ads_daily', 'day') }}
    group by account_id, date

),

given as (

    select account_id, date_day, sum(cost_native) as cost_native
    from {{ ref('ad_days__google_ads') }}
    where is_campaign_total and {{ in_days_built_lately('int_ads_daily', 'day') }}
    group by account_id, date_day

)

select coalesce(reported.date_day, given.date_day) as date_day, reported.cost_native as reported_cost, given.cost_native as given_cost
from reported
full outer join given on reported.account_id = given.account_id and reported.date_day = given.date_day
where coalesce(reported.cost_native, 0) != coalesce(given.cost_native, 0)
