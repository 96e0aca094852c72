-- Grain: date_day, account_id, campaign_id.
select
    day,
    send_date as date_day,
    account_id,
    'mailchimp' as platform,
    id as campaign_id,
    campaign_title as campaign_name,
    emails_sent,
    emails_sent - hard_bounces - soft_bounces - coalesce(syntax_errors, 0) as emails_delivered,
    unique_opens,
    proxy_excluded_unique_opens as unique_opens_less_proxies,
    unique_subscriber_clicks as unique_clicks,
    unsubscribed as unsubscribes,
    abuse_reports as complaints
from {{ source('raw_mailchimp', 'campaigns') }}
