-- Grain: as delivered. A session file counts key events without naming them, and knows its sessions' moments only.
select
    day,
    cast(day as date) as raw_day,
    account_id,
    session_id,
    false as has_own_origin,
    false as is_dated,
    false as is_goal_named,
    '(not set)' as goal,
    {{ not_given('key_events', [
        'vendor_source', 'vendor_medium', 'vendor_campaign', 'vendor_campaign_id', 'landing_page', 'device', 'country',
    ]) }},
    key_events,
    1 as sessions,
    1 as visitors
from {{ ref('stg_files__sessions') }}
where key_events > 0
