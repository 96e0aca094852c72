-- Solar Hijri years by their first day (Nowruz). In the 33-year cycle of the calendar in use the years 1, 5, 9, 13, 17,
-- 22, 26 and 30 are leap, which gives the official dates from 1178 to 1633 (1799 to 2254). 1 Farvardin 1354 was 21 March 1975,
-- and 1354 is the first year of a cycle
with years as (

    select cast(extract(year from date_day) as integer) - 621 as solar_hijri_year
    from {{ ref('int_days_listed') }}
    where extract(month from date_day) = 1 and extract(day from date_day) = 1

),

-- one year earlier than the calendar, for the days before its first Nowruz
with_previous as (

    select solar_hijri_year from years
    union
    select solar_hijri_year - 1 as solar_hijri_year from years

),

counted as (

    select
        solar_hijri_year,
        solar_hijri_year - 1354 as years_before,
        (solar_hijri_year - 1354) % 33 as place_in_cycle
    from with_previous

)

select
    solar_hijri_year,
    cast(
        date '1975-03-21'
        + cast(
            365 * years_before
            + 8 * floor(years_before / 33.0e0)
            + case
                when place_in_cycle > 29 then 8
                when place_in_cycle > 25 then 7
                when place_in_cycle > 21 then 6
                when place_in_cycle > 16 then 5
                when place_in_cycle > 12 then 4
                when place_in_cycle > 8 then 3
                when place_in_cycle > 4 then 2
                when place_in_cycle > 0 then 1
                else 0
            end as integer
        ) as date
    ) as nowruz
from counted
