with calendar as (

    select * from {{ ref('int_calendar') }}

),

solar_hijri_years as (

    select
        solar_hijri_year,
        nowruz,
        lead(nowruz) over (order by solar_hijri_year) as next_nowruz
    from {{ ref('int_solar_hijri_years') }}

),

-- months 1 to 6 have 31 days, 7 to 11 have 30, the last has the rest
solar_hijri as (

    select
        calendar.date_day,
        years.solar_hijri_year,
        case
            when {{ day_difference('calendar.date_day', 'years.nowruz') }} < 186 then cast(floor({{ day_difference('calendar.date_day', 'years.nowruz') }} / 31.0e0) as integer) + 1
            else cast(floor(({{ day_difference('calendar.date_day', 'years.nowruz') }} - 186) / 30.0e0) as integer) + 7
        end as solar_hijri_month,
        case
            when {{ day_difference('calendar.date_day', 'years.nowruz') }} < 186 then {{ day_difference('calendar.date_day', 'years.nowruz') }} % 31 + 1
            else ({{ day_difference('calendar.date_day', 'years.nowruz') }} - 186) % 30 + 1
        end as solar_hijri_day
    from calendar
    left join solar_hijri_years as years
        on calendar.date_day >= years.nowruz and (calendar.date_day < years.next_nowruz or years.next_nowruz is null)

)

select
    calendar.date_day,

    ---------- week
    {{ iso_day_of_week('calendar.date_day') }} as day_of_week,
    {{ iso_day_of_week('calendar.date_day') }} in (6, 7) as is_weekend,
    calendar.week_start,
    {{ iso_year('calendar.date_day') }} as iso_year,
    {{ iso_week('calendar.date_day') }} as iso_week,

    ---------- month, quarter, year
    calendar.month_start,
    cast(extract(month from calendar.date_day) as integer) as month_of_year,
    cast(extract(day from calendar.date_day) as integer) as day_of_month,
    calendar.quarter_start,
    cast(extract(quarter from calendar.date_day) as integer) as quarter_of_year,
    calendar.year_start,
    cast(extract(year from calendar.date_day) as integer) as calendar_year,

    ---------- fiscal
    calendar.fiscal_year,
    cast(floor((calendar.fiscal_month - 1) / 3.0e0) as integer) + 1 as fiscal_quarter,
    calendar.fiscal_month,
    calendar.fiscal_quarter_start,
    calendar.fiscal_year_start,

    ---------- solar hijri
    solar_hijri.solar_hijri_year,
    solar_hijri.solar_hijri_month,
    cast(solar_hijri.solar_hijri_day as integer) as solar_hijri_day
from calendar
inner join solar_hijri on calendar.date_day = solar_hijri.date_day
