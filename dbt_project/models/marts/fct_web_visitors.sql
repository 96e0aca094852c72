with truth as (

    select * from {{ ref('int_web_truth') }}

),

reported as (

    select * from {{ ref('int_web_visitors_reported') }}

),

counted as (

    select * from {{ ref('int_web_visitors_counted') }}

)

select
    reported.grain,
    reported.period_start,
    reported.dimension,
    reported.member,
    reported.unique_visitors,
    reported.active_visitors,
    reported.quality
from reported
inner join truth on reported.source_system = truth.web_truth

union all

select
    grain,
    period_start,
    dimension,
    member,
    unique_visitors,
    active_visitors,
    quality
from counted
