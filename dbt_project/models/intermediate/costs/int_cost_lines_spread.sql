-- Spread evenly over the line's days, converted at the mean of those days' rates; of a line that is not
-- over, the days so far
with lines as (

    select * from {{ ref('int_cost_lines') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

rates as (

    select * from {{ ref('int_exchange_rates_daily') }}

),

line_days as (

    select
        lines.*,
        days.date_day,
        {{ day_difference('lines.end_date', 'lines.start_date') }} + 1 as day_count
    from lines
    cross join clock
    inner join {{ ref('int_days_listed') }} as days
        on days.date_day between lines.start_date and least(lines.end_date, clock.today)

),

-- one day without a rate leaves the line without one: a mean over the other days would be a guess
line_rates as (

    select
        line_days.cost_line_key,
        case when count(*) = count(rates.rate_to_reporting) then avg(rates.rate_to_reporting) end as rate_to_reporting
    from line_days
    left join rates
        on line_days.date_day = rates.date_day and line_days.currency_code = rates.currency_code
    group by line_days.cost_line_key

),

-- cents that do not divide stay on the last day, so that the days add up to the line
portions as (

    select
        line_days.*,
        case
            when line_days.date_day = line_days.end_date
                then
                    line_days.amount_native
                    - {{ money('round(line_days.amount_native / line_days.day_count, 6)') }} * (line_days.day_count - 1)
            else {{ money('round(line_days.amount_native / line_days.day_count, 6)') }}
        end as portion_native
    from line_days

)

select
    portions.date_day,
    portions.cost_line_key,
    portions.account_id,
    portions.line_id,
    portions.cost_type,
    portions.motion,
    portions.channel,
    portions.campaign_key,
    portions.currency_code,
    {{ money('portions.portion_native') }} as amount_native,
    {{ convert_amount(
        'portions.portion_native', 'portions.currency_code', 'line_rates.rate_to_reporting', 'settings.reporting_currency'
    ) }} as amount,
    {{ is_rate_missing(
        'portions.portion_native', 'portions.currency_code', 'line_rates.rate_to_reporting', 'settings.reporting_currency'
    ) }} as is_rate_missing,
    portions.acquisition_share
from portions
cross join settings
inner join line_rates on portions.cost_line_key = line_rates.cost_line_key
