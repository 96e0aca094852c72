{{ config(enabled='ga4' in sources_on()) }}
-- Every session of GA4's report is in the mart, whatever happened to its source, campaign and channel on the way.
with truth as (

    select * from {{ ref('int_web_truth') }}

),

reported as (

    select date as date_day, account_id, sum(sessions) as sessions, sum(newUsers) as new_visitors
    from {{ source('raw_ga4', 'traffic') }}
    where {{ in_days_built_lately('fct_web_traffic', 'day') }}
    group by date, account_id

),

in_mart as (

    select date_day, account_id, sum(sessions) as sessions, sum(new_visitors) as new_visitors
    from {{ ref('fct_web_traffic') }}
    where source_system = 'ga4' and {{ in_days_built_lately('fct_web_traffic', 'date_day') }}
    group by date_day, account_id

)

select
    coalesce(reported.date_day, in_mart.date_day) as date_day,
    reported.sessions as reported_sessions,
    in_mart.sessions as mart_sessions
from reported
inner join truth on truth.web_truth = 'ga4'
full outer join in_mart on reported.date_day = in_mart.date_day and reported.account_id = in_mart.account_id
where
    coalesce(reported.sessions, 0) != coalesce(in_mart.sessions, 0)
    or coalesce(reported.new_visitors, 0) != coalesce(in_mart.new_visitors, 0)
