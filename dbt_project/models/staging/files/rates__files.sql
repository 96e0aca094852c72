-- Grain: base_currency, currency_code, date_day. Of two files that quote the same pair on one day the mapping that comes
-- first in the alphabet.
select 'file' as provider, base_currency, currency_code, date_day, {{ earliest('rate', 'account_id') }} as rate
from {{ ref('stg_files__exchange_rates') }}
group by base_currency, currency_code, date_day
