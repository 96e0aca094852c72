-- Grain: as GA4 reports it. Sessions whose client id is a placeholder, and so nobody's.
select
    sessions.account_id,
    {{ placeholder_ids('sessions', ['vendor_client_id']) }} as placeholder_ids,
    {{ moment_of('sessions.started_at_local', "'UTC'") }} as seen_at
from {{ ref('stg_ga4__sessions') }} as sessions
where sessions.client_id is null
