with settings as (

    select
        reporting_currency,
        exchange_rates_carry_days,
        ',' || exchange_rates_providers || ',' as providers
    from {{ ref('stg_config__settings') }}

),

quoted as (

    select provider, base_currency, currency_code, date_day, rate
    from {{ ref('stg_fx__rates') }}
    union all
    -- two files that quote the same pair on one day: the mapping that comes first in the alphabet
    select 'file' as provider, base_currency, currency_code, date_day, {{ earliest('rate', 'account_id') }} as rate
    from {{ ref('stg_files__exchange_rates') }}
    group by base_currency, currency_code, date_day

),

-- in the order of funnelhouse.yml; a provider that is not named there is not used
fixings as (

    select quoted.*, {{ dbt.position("',' || quoted.provider || ','", 'settings.providers') }} as provider_order
    from quoted
    cross join settings
    where settings.providers like '%,' || quoted.provider || ',%'

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
        reporting.rate / carried.rate as rate_to_reporting,
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
    inner join settings on reporting.currency_code = settings.reporting_currency

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
        bridge.rate / carried.rate * direct_best.rate_to_reporting as rate_to_reporting,
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

)

select date_day, currency_code, rate_to_reporting, rate_date, provider
from direct_best
where preference = 1

union all

select chained.date_day, chained.currency_code, chained.rate_to_reporting, chained.rate_date, chained.provider
from chained
left join direct_best
    on
        chained.date_day = direct_best.date_day
        and chained.currency_code = direct_best.currency_code
        and direct_best.preference = 1
where chained.preference = 1 and direct_best.date_day is null
