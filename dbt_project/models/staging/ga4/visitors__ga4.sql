-- Grain: account_id, grain, period_start, dimension, vendor_member.
select
    day,
    account_id,
    'visitors_' || grain as stream,
    grain,
    period_start,
    dimension,
    vendor_member,
    visitors,
    active_visitors
from {{ ref('stg_ga4__visitors') }}
