-- Media of the ad platforms enters the costs once and whole.
with ads as (

    select date_day, platform, currency_code, sum(cost_native) as cost_native
    from {{ ref('fct_ad_performance') }}
    group by date_day, platform, currency_code

),

costs as (

    select date_day, platform, currency_code, sum(amount_native) as cost_native
    from {{ ref('fct_costs') }}
    where origin = 'ad_platform'
    group by date_day, platform, currency_code

)

select
    coalesce(ads.date_day, costs.date_day) as date_day,
    coalesce(ads.platform, costs.platform) as platform,
    ads.cost_native as ad_cost,
    costs.cost_native as cost
from ads
full outer join costs
    on
        ads.date_day = costs.date_day
        and ads.platform = costs.platform
        and ads.currency_code = costs.currency_code
where coalesce(ads.cost_native, 0) != coalesce(costs.cost_native, 0)
