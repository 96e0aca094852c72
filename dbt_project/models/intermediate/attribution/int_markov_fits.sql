-- The Markov fits: one a calendar month, from the first conversion of a type to today, and the days whose journeys
-- each is made of: those that end with the month, or with today where the month still runs.
with conversions as (

    select * from {{ ref('int_conversions') }} where entry = 'conversion'

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

calendar as (

    select * from {{ ref('int_calendar') }}

),

beginnings as (

    select conversion_type, min(conversion_date) as first_conversion_date
    from conversions
    group by conversion_type

),

months as (

    select
        beginnings.conversion_type,
        cast(date_trunc('month', calendar.date_day) as date) as fit_month,
        max(calendar.date_day) as last_day,
        max(settings.attribution_markov_window_days) as window_days
    from beginnings
    cross join settings
    cross join clock
    inner join calendar
        on calendar.date_day >= date_trunc('month', beginnings.first_conversion_date) and calendar.date_day <= clock.today
    group by beginnings.conversion_type, date_trunc('month', calendar.date_day)

)

select
    conversion_type,
    fit_month,
    cast(last_day - cast(window_days - 1 as integer) as date) as first_day,
    last_day
from months
