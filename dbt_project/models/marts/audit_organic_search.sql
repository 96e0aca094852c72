-- Grain: date_day, engine, landing_page. What a search engine says of a page beside the visits that web analytics says came
-- from there; days that both have.
with pages as (

    select *, coalesce({{ url_path('page') }}, '(not set)') as landing_page
    from {{ ref('search_days') }}
    where cut = 'page' and search_type = 'web'

),

traffic as (

    select * from {{ ref('fct_web_traffic') }}

),

days_of_both as (

    select distinct pages.date_day, pages.engine
    from pages
    where pages.date_day in (select traffic.date_day from traffic)

),

clicked as (

    select
        pages.date_day,
        pages.engine,
        pages.landing_page,
        sum(pages.clicks) as clicks,
        sum(pages.impressions) as impressions,
        sum(pages.position_sum) as position_sum
    from pages
    inner join days_of_both on pages.date_day = days_of_both.date_day and pages.engine = days_of_both.engine
    group by all

),

-- a counter writes an engine as its name or as its host
visited as (

    select
        traffic.date_day,
        days_of_both.engine,
        traffic.landing_page,
        sum(traffic.sessions) as sessions
    from traffic
    inner join days_of_both
        on traffic.date_day = days_of_both.date_day and split_part({{ bare_host('traffic.source') }}, '.', 1) = days_of_both.engine
    where traffic.channel = 'Organic Search'
    group by all

),

joined as (

    select
        coalesce(clicked.date_day, visited.date_day) as date_day,
        coalesce(clicked.engine, visited.engine) as engine,
        coalesce(clicked.landing_page, visited.landing_page) as landing_page,
        coalesce(clicked.clicks, 0) as organic_clicks,
        coalesce(clicked.impressions, 0) as impressions,
        clicked.position_sum,
        coalesce(visited.sessions, 0) as organic_sessions
    from clicked
    full join visited
        on
            clicked.date_day = visited.date_day
            and clicked.engine = visited.engine
            and clicked.landing_page = visited.landing_page

)

select
    date_day,
    engine,
    landing_page,
    cast(organic_clicks as bigint) as organic_clicks,
    cast(impressions as bigint) as impressions,
    cast({{ safe_divide('position_sum', 'impressions') }} as double) as average_position,
    cast(organic_sessions as bigint) as organic_sessions,
    cast(organic_sessions - organic_clicks as bigint) as sessions_beyond_clicks
from joined
