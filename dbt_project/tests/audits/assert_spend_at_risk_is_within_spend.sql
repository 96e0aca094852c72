-- each part of the spend is at risk once at most
with spend as (

    select cast(date_trunc('month', date_day) as date) as month_start, platform, sum(cost) as spend
    from {{ ref('fct_ad_performance') }}
    group by cast(date_trunc('month', date_day) as date), platform

),

at_risk as (

    select month_start, platform, sum(spend_at_risk) as spend_at_risk, min(spend_at_risk) as smallest
    from {{ ref('audit_utm') }}
    group by month_start, platform

)

select at_risk.month_start, at_risk.platform, at_risk.spend_at_risk, spend.spend
from at_risk
left join spend on at_risk.month_start = spend.month_start and at_risk.platform = spend.platform
where at_risk.spend_at_risk > coalesce(spend.spend, 0) or at_risk.smallest < 0
