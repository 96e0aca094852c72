-- What is wrong with the tags of each month, the money behind it, and what to do.
--
-- The spend of a campaign and month is laid on its clicks. A click that came as a visit with its tags in order is at no
-- risk; a visit whose tags have findings takes its share of the spend to the worst of them; clicks that did not come as
-- a visit of the campaign are lost: first they explain the platform's visits under unknown campaigns, the rest stays with
-- the campaign. So each part of the spend is at risk once at most.
{%- set tolerance = '0.2e0' %} {# clicks and visits never agree: repeated clicks, refused consent, closed tabs (support.google.com/google-ads/answer/2382957) #}
with tags as (

    select * from {{ ref('int_tags_classified') }}

),

findings as (

    select * from {{ ref('tag_findings') }}

),

spend as (

    select
        cast(date_trunc('month', date_day) as date) as month_start,
        platform,
        campaign_key,
        sum(clicks) as clicks,
        -- one unconverted part leaves the whole unconverted
        case when not bool_or(is_rate_missing) then sum(cost) end as spend
    from {{ ref('fct_ad_performance') }}
    group by all

),

visits as (

    select
        month_start,
        campaign_key,
        platform,
        source_platform,
        vendor_source,
        vendor_medium,
        vendor_campaign,
        channel,
        is_tagged_paid,
        sum(sessions) as sessions,
        {{ row_key(['month_start', 'campaign_key', 'source_platform', 'vendor_source', 'vendor_medium', 'vendor_campaign', 'channel']) }}
            as visit_key
    from tags
    group by all

),

untagged_clicks as (

    select * from {{ ref('int_untagged_clicks_found') }}

),

seen_by_tags as (

    select month_start, campaign_key, sum(sessions) as sessions
    from visits
    where is_tagged_paid and platform is not null
    group by month_start, campaign_key

),

seen_by_click_id as (

    select month_start, campaign_key, sum(sessions) as sessions
    from untagged_clicks
    where is_campaign_known
    group by month_start, campaign_key

),

campaigns as (

    select
        spend.month_start,
        spend.platform,
        spend.campaign_key,
        spend.clicks,
        spend.spend,
        coalesce(seen_by_tags.sessions, 0) + coalesce(seen_by_click_id.sessions, 0) as seen,
        greatest(spend.clicks, coalesce(seen_by_tags.sessions, 0) + coalesce(seen_by_click_id.sessions, 0)) as base
    from spend
    left join seen_by_tags
        on spend.month_start = seen_by_tags.month_start and spend.campaign_key = seen_by_tags.campaign_key
    left join seen_by_click_id
        on spend.month_start = seen_by_click_id.month_start and spend.campaign_key = seen_by_click_id.campaign_key

),

losses as (

    select
        *,
        clicks - seen as lost_clicks,
        cast(spend as double) * {{ safe_divide('clicks - seen', 'base') }} as lost_spend
    from campaigns
    where seen < clicks * (1 - {{ tolerance }})

),

-- visits that a platform's lost clicks may explain
strays as (

    select month_start, source_platform as platform, sessions
    from visits
    where is_tagged_paid and platform is null and source_platform is not null
    union all
    select month_start, platform, sessions
    from untagged_clicks
    where not is_campaign_known

),

stray_totals as (

    select month_start, platform, sum(sessions) as stray_sessions
    from strays
    group by month_start, platform

),

pools as (

    select
        losses.month_start,
        losses.platform,
        -- spend behind one stray visit, and the part of the loss that the strays explain
        {{ safe_divide('sum(losses.lost_spend)', 'greatest(sum(losses.lost_clicks), coalesce(max(stray_totals.stray_sessions), 0))') }}
            as spend_of_a_stray,
        {{ safe_divide(
            'coalesce(max(stray_totals.stray_sessions), 0)',
            'greatest(sum(losses.lost_clicks), coalesce(max(stray_totals.stray_sessions), 0))'
        ) }} as explained_share
    from losses
    left join stray_totals
        on losses.month_start = stray_totals.month_start and losses.platform = stray_totals.platform
    group by losses.month_start, losses.platform

),

platforms_with_spend as (

    select distinct month_start, platform from spend where clicks > 0 or spend > 0

),

-- each kind of visit with the spend behind it: that of its campaign, or of its platform's lost clicks, or none
valued_visits as (

    select
        visits.*,
        coalesce(visits.platform, visits.source_platform) as spend_platform,
        platforms_with_spend.platform is not null as has_spend,
        case
            when not visits.is_tagged_paid then 0
            when campaigns.campaign_key is not null
                then cast(campaigns.spend as double) * {{ safe_divide('visits.sessions', 'campaigns.base') }}
            when visits.platform is null then coalesce(pools.spend_of_a_stray * visits.sessions, 0)
            else 0
        end as spend
    from visits
    left join campaigns
        on visits.month_start = campaigns.month_start and visits.campaign_key = campaigns.campaign_key
    left join pools
        on visits.month_start = pools.month_start and visits.source_platform = pools.platform and visits.platform is null
    left join platforms_with_spend
        on
            visits.month_start = platforms_with_spend.month_start
            and coalesce(visits.platform, visits.source_platform) = platforms_with_spend.platform

),

valued_clicks as (

    select
        untagged_clicks.*,
        case
            when campaigns.campaign_key is not null
                then cast(campaigns.spend as double) * {{ safe_divide('untagged_clicks.sessions', 'campaigns.base') }}
            when untagged_clicks.is_campaign_known then 0
            else coalesce(pools.spend_of_a_stray * untagged_clicks.sessions, 0)
        end as spend
    from untagged_clicks
    left join campaigns
        on untagged_clicks.month_start = campaigns.month_start and untagged_clicks.campaign_key = campaigns.campaign_key
    left join pools
        on
            untagged_clicks.month_start = pools.month_start
            and untagged_clicks.platform = pools.platform
            and not untagged_clicks.is_campaign_known

),

visit_findings as (

    {% for parameter in ['source', 'medium', 'campaign'] -%}
    select
        valued_visits.visit_key,
        checked.finding,
        checked.parameter,
        checked.tag_value,
        checked.better_value
    from valued_visits
    inner join {{ ref('int_tag_values_checked') }} as checked
        on
            valued_visits.month_start = checked.month_start
            and checked.parameter = 'utm_{{ parameter }}'
            and valued_visits.vendor_{{ parameter }} = checked.tag_value
    union all
    {% endfor -%}

    select
        visit_key,
        'unknown_medium' as finding,
        'utm_medium' as parameter,
        vendor_medium as tag_value,
        cast(null as string) as better_value
    from valued_visits
    where channel = 'Unassigned' and vendor_medium is not null and not {{ full_match('vendor_medium', "'[(].*[)]'") }}

    union all

    select
        visit_key,
        case when has_spend then 'unmapped_campaign' else 'paid_traffic_without_spend' end as finding,
        case when has_spend then 'utm_campaign' else 'utm_source' end as parameter,
        case when has_spend then vendor_campaign else vendor_source end as tag_value,
        cast(null as string) as better_value
    from valued_visits
    where is_tagged_paid and platform is null

),

ranked_findings as (

    select
        visit_findings.*,
        row_number() over (
            partition by visit_findings.visit_key
            order by findings.finding_order, visit_findings.parameter desc, visit_findings.tag_value
        ) as preference
    from visit_findings
    inner join findings on visit_findings.finding = findings.finding

),

found as (

    select
        valued_visits.month_start,
        ranked_findings.finding,
        coalesce(valued_visits.spend_platform, '(not set)') as platform,
        valued_visits.campaign_key,
        ranked_findings.parameter,
        coalesce(ranked_findings.tag_value, '(not set)') as tag_value,
        ranked_findings.better_value,
        valued_visits.sessions,
        cast(null as bigint) as clicks,
        valued_visits.spend as spend_concerned,
        case when ranked_findings.preference = 1 then valued_visits.spend else 0 end as spend_at_risk
    from valued_visits
    inner join ranked_findings on valued_visits.visit_key = ranked_findings.visit_key

    union all

    select
        month_start,
        'paid_click_untagged' as finding,
        platform,
        campaign_key,
        click_id as parameter,
        tagged_as as tag_value,
        cast(null as string) as better_value,
        sessions,
        cast(null as bigint) as clicks,
        spend as spend_concerned,
        spend as spend_at_risk
    from valued_clicks

    union all

    select
        losses.month_start,
        case when losses.seen = 0 then 'clicks_without_sessions' else 'clicks_lost' end as finding,
        losses.platform,
        losses.campaign_key,
        '(all)' as parameter,
        '(all)' as tag_value,
        cast(null as string) as better_value,
        losses.seen as sessions,
        losses.clicks,
        losses.lost_spend as spend_concerned,
        losses.lost_spend * (1 - pools.explained_share) as spend_at_risk
    from losses
    inner join pools on losses.month_start = pools.month_start and losses.platform = pools.platform

    union all

    -- the address itself; the tags in it were read all the same, so no money is lost by us
    select
        cast(date_trunc('month', known_sessions.session_date) as date) as month_start,
        findings.finding,
        coalesce(ad_campaigns.platform, '(not set)') as platform,
        known_sessions.campaign_key,
        'address' as parameter,
        coalesce(known_sessions.landing_page, '(not set)') as tag_value,
        cast(null as string) as better_value,
        count(*) as sessions,
        cast(null as bigint) as clicks,
        0 as spend_concerned,
        0 as spend_at_risk
    from {{ ref('int_sessions') }} as known_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on known_sessions.source_system = web_truth.web_truth
    inner join findings on ';' || known_sessions.tag_problems || ';' like '%;' || findings.finding || ';%'
    left join {{ ref('int_ad_campaigns') }} as ad_campaigns on known_sessions.campaign_key = ad_campaigns.campaign_key
    where known_sessions.tag_problems is not null
    group by all

)

select
    found.month_start,
    found.finding,
    found.platform,
    found.campaign_key,
    found.parameter,
    found.tag_value,
    max(found.better_value) as better_value,
    cast(sum(found.sessions) as bigint) as sessions,
    cast(sum(found.clicks) as bigint) as clicks,
    {{ money('floor(sum(found.spend_concerned) * 1e6) / 1e6') }} as spend_concerned,
    -- rounded down: the parts may never exceed the whole
    case when count(found.spend_at_risk) = count(*) then {{ money('floor(sum(found.spend_at_risk) * 1e6) / 1e6') }} end
        as spend_at_risk,
    max(findings.meaning) as meaning,
    replace(
        replace(max(findings.fix), '{value}', '"' || found.tag_value || '"'),
        '{better}', '"' || coalesce(max(found.better_value), '') || '"'
    ) as fix
from found
inner join findings on found.finding = findings.finding
group by found.month_start, found.finding, found.platform, found.campaign_key, found.parameter, found.tag_value
