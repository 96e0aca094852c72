-- Grain: account_id, line_id, copy_number.
select
    account_id,
    line_id,
    _copy as copy_number,
    start_date,
    end_date,
    currency_code,
    cost_type,
    motion,
    channel,
    campaign,
    {{ money('amount') }} as amount_native,
    coalesce(acquisition_share, 1.0) as acquisition_share
from {{ source('raw_google_sheets', 'cost_lines') }}
