with settings as (

    select
        reporting_currency,
        exchange_rates_carry_days,
        clock.today + exchange_rates_carry_days as last_needed_day,
        ',' || exchange_rates_providers || ',' as providers
    from {{ ref('stg_config__settings') }}
    cross join {{ ref('stg_config__clock') }} as clock

),

-- a currency that has joined the euro is a fixed number of euros from then on: no provider is asked for it
legal_rates as (

    select * from {{ ref('euro_legal_rates') }}

),

-- what everything is converted to first: the reporting currency, or the euro since it is a part of it
targets as (

    select
        days.date_day,
        case when legal_rates.currency_code is null then settings.reporting_currency else 'EUR' end as target_currency,
        coalesce(legal_rates.units_per_euro, 1) as reporting_per_target
    from {{ ref('int_days_listed') }} as days
    cross join settings
    left join legal_rates
        on settings.reporting_currency = legal_rates.currency_code and days.date_day >= legal_rates.euro_since

),

quoted as (

    select provider, base_currency, currency_code, date_day, rate from {{ ref('rates') }}

),

-- in the order of funnelhouse.yml; a provider that is not named there is not used
fixings as (

    select quoted.*, {{ dbt.position("',' || quoted.provider || ','", 'settings.providers') }} as provider_order
    from quoted
    cross join settings
    left join legal_rates on quoted.currency_code = legal_rates.currency_code
    where
        settings.providers like '%,' || quoted.provider || ',%'
        and coalesce(quoted.date_day < legal_rates.euro_since, true)

),

-- the base is one of its own kind, so any two currencies of one provider and base can be divided by each other
legs as (

    select provider, provider_order, base_currency, currency_code, date_day, rate
    from fixings
    union all
    select distinct provider, provider_order, base_currency, base_currency as currency_code, date_day, 1.0 as rate
    from fixings

),

spans as (

    select
        legs.*,
        least(
            coalesce(
                lead(legs.date_day) over (
                    partition by legs.provider, legs.base_currency, legs.currency_code order by legs.date_day
                ) - 1,
                date '2059-12-31'
            ),
            legs.date_day + settings.exchange_rates_carry_days
        ) as last_day
    from legs
    cross join settings

),

-- days without a fixing carry the last one, for as long as the settings allow
carried as (

    select
        spans.provider,
        spans.provider_order,
        spans.base_currency,
        spans.currency_code,
        spans.rate,
        spans.date_day as rate_date,
        days.date_day
    from spans
    inner join {{ ref('int_days_listed') }} as days on days.date_day between spans.date_day and spans.last_day

),

direct as (

    select
        carried.date_day,
        carried.currency_code,
        reporting.rate / carried.rate as rate_to_target,
        least(carried.rate_date, reporting.rate_date) as rate_date,
        carried.provider,
        carried.provider_order,
        carried.base_currency
    from carried
    inner join carried as reporting
        on
            carried.provider = reporting.provider
            and carried.base_currency = reporting.base_currency
            and carried.date_day = reporting.date_day
    inner join targets
        on carried.date_day = targets.date_day and reporting.currency_code = targets.target_currency

),

direct_best as (

    select
        *,
        row_number() over (partition by date_day, currency_code order by provider_order, base_currency) as preference
    from direct

),

-- no provider quotes both: through a currency that one provider shares with another (IRR > USD by file, USD > EUR by ECB)
chained as (

    select
        carried.date_day,
        carried.currency_code,
        bridge.rate / carried.rate * direct_best.rate_to_target as rate_to_target,
        least(carried.rate_date, bridge.rate_date, direct_best.rate_date) as rate_date,
        carried.provider || '+' || direct_best.provider as provider,
        row_number() over (
            partition by carried.date_day, carried.currency_code
            order by carried.provider_order, direct_best.provider_order, bridge.currency_code, carried.base_currency
        ) as preference
    from carried
    inner join carried as bridge
        on
            carried.provider = bridge.provider
            and carried.base_currency = bridge.base_currency
            and carried.date_day = bridge.date_day
    inner join direct_best
        on
            bridge.currency_code = direct_best.currency_code
            and bridge.date_day = direct_best.date_day
            and direct_best.preference = 1
    where
        carried.provider != direct_best.provider
        and bridge.currency_code in (select base_currency from fixings)

),

quoted_rates as (

    select date_day, currency_code, rate_to_target, rate_date, provider
    from direct_best
    where preference = 1

    union all

    select chained.date_day, chained.currency_code, chained.rate_to_target, chained.rate_date, chained.provider
    from chained
    left join direct_best
        on
            chained.date_day = direct_best.date_day
            and chained.currency_code = direct_best.currency_code
            and direct_best.preference = 1
    where chained.preference = 1 and direct_best.date_day is null

),

-- the euro needs no provider where it is what everything is converted to
euro_rates as (

    select
        targets.date_day,
        case when targets.target_currency = 'EUR' then 1 else quoted_rates.rate_to_target end as rate_to_target,
        coalesce(quoted_rates.rate_date, targets.date_day) as rate_date,
        coalesce(quoted_rates.provider, 'law') as provider
    from targets
    cross join settings
    left join quoted_rates on targets.date_day = quoted_rates.date_day and quoted_rates.currency_code = 'EUR'
    where
        quoted_rates.date_day is not null
        or (targets.target_currency = 'EUR' and targets.date_day <= settings.last_needed_day)

),

rates as (

    select
        quoted_rates.date_day,
        quoted_rates.currency_code,
        quoted_rates.rate_to_target,
        quoted_rates.rate_date,
        quoted_rates.provider
    from quoted_rates
    left join legal_rates
        on quoted_rates.currency_code = legal_rates.currency_code and quoted_rates.date_day >= legal_rates.euro_since
    where quoted_rates.currency_code != 'EUR' and legal_rates.currency_code is null

    union all

    select date_day, 'EUR' as currency_code, rate_to_target, rate_date, provider
    from euro_rates

    union all

    select
        euro_rates.date_day,
        legal_rates.currency_code,
        euro_rates.rate_to_target / legal_rates.units_per_euro as rate_to_target,
        euro_rates.rate_date,
        euro_rates.provider
    from euro_rates
    cross join settings
    inner join legal_rates on euro_rates.date_day >= legal_rates.euro_since
    where euro_rates.date_day <= settings.last_needed_day

)

select
    rates.date_day,
    rates.currency_code,
    rates.rate_to_target * targets.reporting_per_target as rate_to_reporting,
    rates.rate_date,
    rates.provider
from rates
inner join targets on rates.date_day = targets.date_day
