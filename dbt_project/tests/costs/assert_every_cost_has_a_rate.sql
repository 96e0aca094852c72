{{ config(severity='warn') }}
-- Also seen before the first backfill: a ledger that is older than the rates that were read.
-- A cost without a rate stays unconverted (null), and every KPI that needs it says missing_rate. Add the provider or a
-- file with the currency under exchange_rates in funnelhouse.yml.
select currency_code, min(date_day) as first_day, max(date_day) as last_day, sum(amount_native) as amount_native
from {{ ref('fct_costs') }}
where is_rate_missing
group by currency_code
