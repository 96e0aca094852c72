-- Grain: date_day, source_system, account_id, platform, campaign_id.
select
    date_day,
    source_system,
    account_id,
    platform,
    campaign_id,
    campaign_name,
    emails_sent,
    emails_delivered,
    unique_opens,
    unique_opens_less_proxies,
    unique_clicks,
    unsubscribes,
    complaints
from {{ ref('email_days') }}
