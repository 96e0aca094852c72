-- every day of the calendar with its week, month, quarter and year by the settings of this installation
with days as (

    select * from {{ ref('int_days_listed') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

)

select
    days.date_day,
    {{ week_start_of('days.date_day', 'settings.reporting_week_start') }} as week_start,
    cast(date_trunc('month', days.date_day) as date) as month_start,
    cast(date_trunc('quarter', days.date_day) as date) as quarter_start,
    cast(date_trunc('year', days.date_day) as date) as year_start,
    {{ fiscal_start_of('days.date_day', 3, 'settings.reporting_fiscal_year_start_month') }} as fiscal_quarter_start,
    {{ fiscal_start_of('days.date_day', 12, 'settings.reporting_fiscal_year_start_month') }} as fiscal_year_start,
    -- the fiscal year is named after the calendar year in which it ends
    cast(extract(year from days.date_day) as integer)
    + case
        when
            settings.reporting_fiscal_year_start_month > 1
            and extract(month from days.date_day) >= settings.reporting_fiscal_year_start_month
            then 1
        else 0
    end as fiscal_year,
    cast((extract(month from days.date_day) + 12 - settings.reporting_fiscal_year_start_month) % 12 as integer) + 1
        as fiscal_month
from days
cross join settings
