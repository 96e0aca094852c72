with collected as (

    select * from {{ ref('int_key_events_collected') }}

),

truth as (

    select * from {{ ref('int_web_truth') }}

),

goals as (

    select * from {{ ref('stg_config__goals') }}

),

goal_count as (

    select count(*) as goals from goals

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

origins as (

    select collected_origins.date_day, collected_origins.account_id, classified.*
    from {{ ref('int_web_origins_collected') }} as collected_origins
    inner join {{ ref('int_web_origins_classified') }} as classified
        on collected_origins.origin_key = classified.origin_key

),

known_sessions as (

    select * from {{ ref('int_sessions') }}

),

-- Goals are the source's key events, or those that funnelhouse.yml lists; who names none has all
wanted as (

    select collected.*
    from collected
    inner join truth on collected.source_system = truth.web_truth
    cross join goal_count
    left join goals on collected.goal = goals.goal
    where goals.goal is not null or goal_count.goals = 0 or not collected.is_goal_named

),

reported as (

    select
        wanted.raw_day as date_day,
        wanted.source_system,
        wanted.account_id,
        wanted.goal,
        origins.channel,
        origins.source,
        origins.medium,
        origins.campaign_key,
        wanted.{{ visit_cuts() | join(', wanted.') }},
        wanted.key_events,
        wanted.sessions,
        wanted.visitors
    from wanted
    cross join rules
    left join origins
        on
            wanted.raw_day = origins.date_day
            and wanted.account_id = origins.account_id
            and wanted.vendor_source is not distinct from origins.vendor_source
            and wanted.vendor_medium is not distinct from origins.vendor_medium
            and wanted.vendor_campaign is not distinct from origins.vendor_campaign
            and {{ origin_landing_page('wanted.landing_page') }} is not distinct from origins.landing_page
    where wanted.has_own_origin

),

of_sessions as (

    select
        -- an export files events under the property's day; a file knows its sessions' moments only
        case when wanted.is_dated then wanted.raw_day else known_sessions.session_date end as date_day,
        wanted.source_system,
        wanted.account_id,
        wanted.goal,
        known_sessions.channel,
        known_sessions.source,
        known_sessions.medium,
        known_sessions.campaign_key,
        known_sessions.{{ visit_cuts() | join(', known_sessions.') }},
        sum(wanted.key_events) as key_events,
        count(distinct case when known_sessions.sessions_with_key_event is null then wanted.session_id end)
            + coalesce(sum(known_sessions.sessions_with_key_event), 0) as sessions,
        count(distinct known_sessions.client_id) as visitors
    from wanted
    left join known_sessions
        on
            wanted.source_system = known_sessions.source_system
            and wanted.account_id = known_sessions.account_id
            and wanted.session_id = known_sessions.session_id
    where not wanted.has_own_origin
    group by all

),

unioned as (

    select * from reported
    union all
    select * from of_sessions

)

select
    date_day,
    source_system,
    account_id,
    coalesce(goal, '(not set)') as goal,
    coalesce(channel, 'Unassigned') as channel,
    coalesce(source, '(not set)') as source,
    coalesce(medium, '(not set)') as medium,
    coalesce(campaign_key, '(not set)') as campaign_key,
    {{ cuts_of('unioned', visit_cuts()) }},
    cast(sum(key_events) as bigint) as key_events,
    cast(sum(sessions) as bigint) as sessions,
    cast(sum(visitors) as bigint) as visitors
from unioned
group by all
