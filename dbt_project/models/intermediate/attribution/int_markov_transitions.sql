-- Transitions between channels, counted for each fit: the paths to the conversions of its days, and the journeys of
-- the people and visitors who did not convert in these days. A channel that follows itself is one visit to it.
{%- set in_span -%}
    neighbours.touch_date >= spans.first_day and neighbours.touch_date <= spans.last_day
{%- endset %}
{#- does a journey begin with the touch, seen from the fit's days, and where does it go next -#}
{%- set step -%}
    neighbours.channel,
        coalesce(neighbours.previous_date < spans.first_day, true) as is_first,
        case when neighbours.next_date <= spans.last_day then neighbours.next_channel else '(null)' end as next_state
{%- endset %}
with fits as (

    select * from {{ ref('int_markov_fits') }}

),

conversions as (

    select * from {{ ref('int_conversions') }} where entry = 'conversion'

),

path_touches as (

    select * from {{ ref('int_conversion_touches') }}

),

conversion_people as (

    select * from {{ ref('int_conversion_people') }}

),

all_touchpoints as (

    select * from {{ ref('int_touchpoints_unioned') }}

),

-- what people say themselves counts where nothing was tracked
tracked_people as (

    select distinct tracked.person_id
    from all_touchpoints as tracked
    inner join all_touchpoints as said on tracked.person_id = said.person_id and said.is_fallback
    where not coalesce(tracked.is_fallback, false)

),

touchpoints as (

    select all_touchpoints.*
    from all_touchpoints
    left join tracked_people
        on case when all_touchpoints.is_fallback then all_touchpoints.person_id end = tracked_people.person_id
    where tracked_people.person_id is null

),

web_truth as (

    select * from {{ ref('int_web_truth') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

---------- journeys that converted

path_steps as (

    select conversion_key, '(start)' as from_state, channel as to_state
    from path_touches
    where touch_order = 1

    union all

    select conversion_key, channel as from_state, coalesce(next_channel, '(conversion)') as to_state
    from path_touches
    where next_channel is null or next_channel != channel

),

daily_path_steps as (

    select
        conversions.conversion_type,
        conversions.conversion_date,
        path_steps.from_state,
        path_steps.to_state,
        count(*) as transitions,
        sum(case when path_steps.to_state = '(conversion)' then coalesce(conversions.revenue, 0) else 0 end) as value
    from conversions
    inner join path_steps on conversions.conversion_key = path_steps.conversion_key
    group by conversions.conversion_type, conversions.conversion_date, path_steps.from_state, path_steps.to_state

),

converted as (

    select
        fits.conversion_type,
        fits.fit_month,
        steps.from_state,
        steps.to_state,
        sum(steps.transitions) as transitions,
        sum(steps.value) as value
    from fits
    inner join daily_path_steps as steps
        on
            fits.conversion_type = steps.conversion_type
            and steps.conversion_date >= fits.first_day
            and steps.conversion_date <= fits.last_day
    group by fits.conversion_type, fits.fit_month, steps.from_state, steps.to_state

),

---------- journeys that did not: everybody's touches in the days, less those of the people who converted in them

dated_touches as (

    select
        coalesce('person:' || touchpoints.person_id, 'visitor:' || touchpoints.visitor_id) as traveller,
        touchpoints.*,
        {{ reporting_date('touchpoints.touched_at', 'settings.reporting_time_zone') }} as touch_date,
        case when touchpoints.touch_kind = 'session' and web_truth.web_truth != 'ga4' then touchpoints.touch_id end
            as vendor_session
    from touchpoints
    cross join settings
    cross join web_truth
    where touchpoints.person_id is not null or touchpoints.visitor_id is not null

),

-- neighbours once, for all fits: where a fit's days begin or end between two of them, the journey does
neighbours as (

    select
        traveller,
        person_id,
        touch_date,
        channel,
        lag(touch_date) over journey as previous_date,
        lead(touch_date) over journey as next_date,
        lead(channel) over journey as next_channel
    from dated_touches
    window journey as (
        partition by traveller
        order by touched_at, vendor_session nulls last, source, medium, campaign nulls last, touch_id
    )

),

spans as (

    select distinct fit_month, first_day, last_day from fits

),

converters as (

    select distinct fits.conversion_type, fits.fit_month, conversion_people.person_id
    from fits
    inner join conversions
        on
            fits.conversion_type = conversions.conversion_type
            and conversions.conversion_date >= fits.first_day
            and conversions.conversion_date <= fits.last_day
    inner join conversion_people on conversions.conversion_key = conversion_people.conversion_key

),

everybody as (

    select spans.fit_month, {{ step }}, count(*) as touches
    from spans
    inner join neighbours on {{ in_span }}
    group by all

),

not_converted as (

    select fits.conversion_type, everybody.*
    from everybody
    inner join fits on everybody.fit_month = fits.fit_month

    union all

    select converters.conversion_type, spans.fit_month, {{ step }}, -count(*) as touches
    from spans
    inner join neighbours on {{ in_span }}
    inner join converters
        on spans.fit_month = converters.fit_month and neighbours.person_id = converters.person_id
    group by all

),

---------- both

steps as (

    select conversion_type, fit_month, from_state, to_state, transitions, value from converted

    union all

    select conversion_type, fit_month, '(start)' as from_state, channel as to_state, touches as transitions, 0 as value
    from not_converted
    where is_first

    union all

    select conversion_type, fit_month, channel as from_state, next_state as to_state, touches as transitions, 0 as value
    from not_converted
    where next_state != channel

)

select
    conversion_type,
    fit_month,
    from_state,
    to_state,
    cast(sum(transitions) as bigint) as transitions,
    {{ money('sum(value)') }} as value
from steps
group by conversion_type, fit_month, from_state, to_state
having sum(transitions) > 0
