-- Grain: as collected. Who was logged in, and who bought, in which session.
select
    account_id,
    coalesce(session_id, client_id) as session_id,
    client_id,
    user_id_hash,
    {{ usable_order_id('transaction_id') }} as order_id,
    event_at
from {{ ref('stg_ga4_export__events') }}
where client_id is not null and (user_id_hash is not null or transaction_id is not null)
