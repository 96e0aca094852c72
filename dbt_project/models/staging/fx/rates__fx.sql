-- Grain: provider, base_currency, currency_code, date_day.
select * from {{ ref('stg_fx__rates') }}
