-- visits with the click id of a paid platform, whose tags do not say that they were paid for
with sessions as (

    select
        int_sessions.*,
        {{ click_id_of('int_sessions', paid_click_ids()) }} as click_id
    from {{ ref('int_sessions') }} as int_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on int_sessions.source_system = web_truth.web_truth
    where not {{ is_paid_or_display_medium(normalise_utm('int_sessions.vendor_medium')) }}

)

select
    cast(date_trunc('month', sessions.session_date) as date) as month_start,
    sessions.campaign_key,
    coalesce(campaigns.platform, click_ids.platform) as platform,
    campaigns.platform is not null as is_campaign_known,
    sessions.click_id,
    coalesce(sessions.vendor_source, '(none)') || ' / ' || coalesce(sessions.vendor_medium, '(none)') as tagged_as,
    cast(sum(sessions.session_count) as bigint) as sessions
from sessions
inner join {{ ref('click_ids') }} as click_ids on sessions.click_id = lower(click_ids.click_id)
left join {{ ref('int_ad_campaigns') }} as campaigns on sessions.campaign_key = campaigns.campaign_key
group by all
