-- The path to each conversion: its people's touches inside the lookback window, to the second and with both ends.
with conversion_keys as (

    select distinct
        conversion_key,
        conversion_type,
        conversion_id,
        path_start_at,
        path_end_at,
        path_end_is_day,
        touches_until,
        earlier_touches_until,
        lead_until,
        opportunity_until
    from {{ ref('int_conversions') }}

),

-- paths are grouped and joined again and again: by a number that takes half the time that it takes by a text
conversions as (

    select *, {{ number_for('conversion_key') }} as conversion_number from conversion_keys

),

conversion_people as (

    select * from {{ ref('int_conversion_people') }}

),

touchpoints as (

    select * from {{ ref('int_touchpoints_unioned') }} where person_id is not null

),

channels as (

    select
        touched.channel,
        {{ number_for('touched.channel') }} as channel_number,
        channels.is_paid
    from (select distinct channel from touchpoints) as touched
    left join {{ ref('channels') }} as channels on touched.channel = channels.channel

),

web_truth as (

    select * from {{ ref('int_web_truth') }}

),

settings as (

    select reporting_time_zone from {{ ref('stg_config__settings') }}

),

paths as (

    select
        conversions.conversion_number,
        conversions.conversion_key,
        conversions.conversion_type,
        conversions.conversion_id,
        touchpoints.touch_id,
        touchpoints.person_id,
        touchpoints.touched_at,
        touchpoints.channel,
        channels.channel_number,
        touchpoints.source,
        touchpoints.medium,
        touchpoints.campaign,
        touchpoints.campaign_key,
        -- a counter of sums reports no session id, and the one that is made here of the row's values must not decide an order
        case when touchpoints.touch_kind = 'session' and not {{ gives('web_days', 'web_truth.web_truth') }} then touchpoints.touch_id end
            as vendor_session,
        touchpoints.channel = 'Direct' as is_direct,
        coalesce(channels.is_paid, false) as is_paid,
        greatest(
            {{ days_known_between(
                'touchpoints.touched_at', 'false', 'conversions.path_end_at', 'conversions.path_end_is_day',
                'settings.reporting_time_zone'
            ) }} * 86400,
            0
        ) as seconds_before,
        coalesce(touchpoints.touched_at <= conversions.lead_until, false) as is_before_lead,
        coalesce(touchpoints.touched_at <= conversions.opportunity_until, false) as is_before_opportunity,
        coalesce(touchpoints.is_fallback, false) as is_fallback
    from conversions
    cross join web_truth
    cross join settings
    inner join conversion_people on conversions.conversion_key = conversion_people.conversion_key
    inner join touchpoints
        on
            conversion_people.person_id = touchpoints.person_id
            and touchpoints.touched_at >= conversions.path_start_at
            and touchpoints.touched_at <= conversions.touches_until
            and (conversions.earlier_touches_until is null or touchpoints.touched_at > conversions.earlier_touches_until)
    left join channels on touchpoints.channel = channels.channel

),

-- what people say themselves counts where nothing was tracked; few paths have such a touch at all
doubtful_paths as (

    select distinct conversions.conversion_number
    from conversions
    inner join conversion_people on conversions.conversion_key = conversion_people.conversion_key
    inner join touchpoints on conversion_people.person_id = touchpoints.person_id
    where touchpoints.is_fallback

),

tracked_paths as (

    select distinct paths.conversion_number
    from paths
    inner join doubtful_paths on paths.conversion_number = doubtful_paths.conversion_number
    where not paths.is_fallback

),

counted as (

    select paths.*
    from paths
    left join tracked_paths on paths.conversion_number = tracked_paths.conversion_number
    where not paths.is_fallback or tracked_paths.conversion_number is null

)

select
    conversion_number,
    conversion_key,
    conversion_type,
    conversion_id,
    touch_id,
    person_id,
    row_number() over path as touch_order,
    touched_at,
    channel,
    channel_number,
    lead(channel) over path as next_channel,
    source,
    medium,
    campaign_key,
    is_direct,
    is_paid,
    seconds_before,
    {{ days_between('touched_at', 'max(touched_at) over (partition by conversion_number)') }} * 86400 as seconds_to_last,
    is_before_lead,
    is_before_opportunity
from counted
window path as (
    partition by conversion_number
    -- within one minute: by session where the source has sessions, else by what the touch says
    order by touched_at, vendor_session nulls last, source, medium, campaign nulls last, touch_id
)
