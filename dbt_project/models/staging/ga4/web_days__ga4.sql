-- Grain: as GA4 reports it. Traffic with the campaign's id, which GA4 gives in another report.
select
    traffic.day,
    traffic.date_day,
    traffic.account_id,
    traffic.vendor_source,
    traffic.vendor_medium,
    traffic.vendor_campaign,
    campaign_ids.vendor_campaign_id,
    traffic.term,
    traffic.content,
    traffic.landing_page,
    traffic.device,
    traffic.country,
    traffic.sessions,
    traffic.engaged_sessions,
    traffic.new_visitors,
    traffic.key_events,
    traffic.page_views,
    traffic.engagement_seconds,
    traffic.sessions_with_key_event
from {{ ref('stg_ga4__traffic') }} as traffic
left join {{ ref('stg_ga4__campaign_ids') }} as campaign_ids
    on
        traffic.day = campaign_ids.day
        and traffic.account_id = campaign_ids.account_id
        and traffic.vendor_source is not distinct from campaign_ids.vendor_source
        and traffic.vendor_medium is not distinct from campaign_ids.vendor_medium
        and traffic.vendor_campaign is not distinct from campaign_ids.vendor_campaign
