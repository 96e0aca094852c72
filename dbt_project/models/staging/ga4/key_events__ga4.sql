-- Grain: as GA4 reports it. Key events with the campaign's id, which GA4 gives in another report.
{% call as_shape('key_events') %}
select
    key_events.day,
    key_events.date_day as raw_day,
    key_events.account_id,
    true as has_own_origin,
    true as is_dated,
    true as is_goal_named,
    key_events.goal,
    key_events.vendor_source,
    key_events.vendor_medium,
    key_events.vendor_campaign,
    campaign_ids.vendor_campaign_id,
    key_events.landing_page,
    key_events.device,
    key_events.country,
    key_events.key_events,
    key_events.sessions,
    key_events.visitors
from {{ ref('stg_ga4__key_events') }} as key_events
left join {{ ref('stg_ga4__campaign_ids') }} as campaign_ids
    on
        key_events.day = campaign_ids.day
        and key_events.account_id = campaign_ids.account_id
        and key_events.vendor_source is not distinct from campaign_ids.vendor_source
        and key_events.vendor_medium is not distinct from campaign_ids.vendor_medium
        and key_events.vendor_campaign is not distinct from campaign_ids.vendor_campaign
{% endcall %}
