-- What the platforms report is what the mart says, to the micro, for each day, platform and account: no ad is dropped,
-- none counted twice, and (unallocated) fills exactly what ads do not explain.
with reported as (

    select platform, account_id, date_day, sum(cost_native) as cost_native
    from {{ ref('ad_days') }}
    where (is_campaign_total or not has_campaign_totals) and {{ in_days_built_lately('int_ads_daily', 'day') }}
    group by platform, account_id, date_day

),

in_mart as (

    select platform, account_id, date_day, sum(cost_native) as cost_native
    from {{ ref('fct_ad_performance') }}
    where {{ in_days_built_lately('int_ads_daily', 'date_day') }}
    group by platform, account_id, date_day

)

select
    coalesce(reported.date_day, in_mart.date_day) as date_day,
    coalesce(reported.platform, in_mart.platform) as platform,
    coalesce(reported.account_id, in_mart.account_id) as account_id,
    reported.cost_native as reported_cost,
    in_mart.cost_native as mart_cost
from reported
full outer join in_mart
    on
        reported.platform = in_mart.platform
        and reported.account_id = in_mart.account_id
        and reported.date_day = in_mart.date_day
where coalesce(reported.cost_native, 0) != coalesce(in_mart.cost_native, 0)
