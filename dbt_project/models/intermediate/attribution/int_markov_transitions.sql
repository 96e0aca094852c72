-- Transitions between channels, counted for each fit: the paths to the conversions of its days, and the journeys of
-- the people and visitors who did not convert in these days. A channel that follows itself is one visit to it.
{#- does a journey begin with the touch, seen from the fit's days, and where does it go next -#}
{%- set step -%}
    counted.channel_number,
        coalesce(counted.previous_period < spans.first_period, true) as is_first,
        case when counted.next_period <= spans.last_period then counted.next_channel end as next_channel
{%- endset %}
{%- set in_span -%}
    counted.period >= spans.first_period and counted.period <= spans.last_period
{%- endset %}
{#- a touch as the many are counted: without a text, so that journeys of millions of people are sorted in little memory -#}
{%- set traveller = narrow_key("coalesce('person:' || touchpoints.person_id, 'visitor:' || touchpoints.visitor_id)") %}
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

---------- a fit is a run of periods: the days from one on which some fit begins, or the one after it ends, to the next

bounds as (

    select first_day as bound from fits
    union
    select cast(last_day + 1 as date) as bound from fits

),

periods as (

    select days.date_day, cast(count(bounds.bound) as smallint) as period
    from {{ ref('int_days_listed') }} as days
    left join bounds on days.date_day >= bounds.bound
    group by days.date_day

),

fit_spans as (

    select fits.conversion_type, fits.fit_month, begins.period as first_period, ends.period as last_period
    from fits
    inner join periods as begins on fits.first_day = begins.date_day
    inner join periods as ends on fits.last_day = ends.date_day

),

spans as (

    select distinct fit_month, first_period, last_period from fit_spans

),

channels as (

    select channel, cast(row_number() over (order by channel) as integer) as channel_number
    from (select distinct channel from touchpoints) as touched

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

---------- who converted when: people with the same history are counted together

conversion_periods as (

    select distinct conversion_people.person_id, conversions.conversion_type, periods.period
    from conversions
    inner join conversion_people on conversions.conversion_key = conversion_people.conversion_key
    inner join periods on conversions.conversion_date = periods.date_day

),

histories as (

    select
        person_id,
        {{ joined_text("conversion_type || ' ' || cast(period as string)", ',', 'conversion_type, period') }} as history
    from conversion_periods
    group by person_id

),

numbered_histories as (

    select history, cast(row_number() over (order by history) as integer) as history_number
    from (select distinct history from histories) as found

),

people as (

    select histories.person_id, numbered_histories.history_number
    from histories
    inner join numbered_histories on histories.history = numbered_histories.history

),

history_fits as (

    select distinct histories.history_number, spans.conversion_type, spans.fit_month
    from (
        select distinct people.history_number, conversion_periods.conversion_type, conversion_periods.period
        from people
        inner join conversion_periods on people.person_id = conversion_periods.person_id
    ) as histories
    inner join fit_spans as spans
        on
            histories.conversion_type = spans.conversion_type
            and histories.period >= spans.first_period
            and histories.period <= spans.last_period

),

---------- journeys that did not: everybody's touches in the days, less those of the people who converted in them

-- the day of each moment once: inside the join the time zone would be worked out for each pair of rows
moment_days as (

    select moments.touched_at, {{ reporting_date('moments.touched_at', 'settings.reporting_time_zone') }} as touch_date
    from (select distinct touched_at from touchpoints) as moments
    cross join settings

),

moment_periods as (

    select
        moment_days.touched_at,
        -- a day outside the calendar is before all fits, or after them
        coalesce(periods.period, case when moment_days.touch_date < date '2001-01-01' then 0 else 32767 end) as period
    from moment_days
    left join periods on moment_days.touch_date = periods.date_day

),

narrow_touches as (

    select
        {{ traveller }} as traveller,
        touchpoints.touched_at,
        channels.channel_number,
        moment_periods.period,
        people.history_number
    from touchpoints
    inner join channels on touchpoints.channel = channels.channel
    inner join moment_periods on touchpoints.touched_at = moment_periods.touched_at
    left join people on touchpoints.person_id = people.person_id
    where touchpoints.person_id is not null or touchpoints.visitor_id is not null

),

moments as (

    select
        traveller,
        touched_at,
        count(*) as touches,
        min(channel_number) as channel_number,
        min(period) as period,
        min(history_number) as history_number
    from narrow_touches
    group by traveller, touched_at

),

-- few travellers have two touches in one minute: only for these does an order need more than the time
tied_moments as (

    select * from moments where touches > 1

),

placed_touches as (

    select traveller, touched_at, 1 as place, channel_number, period, history_number
    from moments
    where touches = 1

    union all

    select
        tied_moments.traveller,
        tied_moments.touched_at,
        row_number() over (
            partition by tied_moments.traveller, tied_moments.touched_at
            order by
                case when touchpoints.touch_kind = 'session' and not {{ gives('web_days', 'web_truth.web_truth') }} then touchpoints.touch_id end
                nulls last,
                touchpoints.source,
                touchpoints.medium,
                touchpoints.campaign nulls last,
                touchpoints.touch_id
        ) as place,
        channels.channel_number,
        tied_moments.period,
        tied_moments.history_number
    from touchpoints
    cross join web_truth
    inner join tied_moments on {{ traveller }} = tied_moments.traveller and touchpoints.touched_at = tied_moments.touched_at
    inner join channels on touchpoints.channel = channels.channel

),

-- neighbours once, for all fits: where a fit's days begin or end between two of them, the journey does
neighbours as (

    select
        history_number,
        channel_number,
        period,
        lag(period) over journey as previous_period,
        lead(period) over journey as next_period,
        lead(channel_number) over journey as next_channel
    from placed_touches
    window journey as (partition by traveller order by touched_at, place)

),

counted as (

    select history_number, channel_number, period, previous_period, next_period, next_channel, count(*) as touches
    from neighbours
    group by history_number, channel_number, period, previous_period, next_period, next_channel

),

everybody as (

    select spans.fit_month, {{ step }}, sum(counted.touches) as touches
    from spans
    inner join counted on {{ in_span }}
    group by 1, 2, 3, 4

),

not_converted as (

    select fits.conversion_type, everybody.*
    from everybody
    inner join fits on everybody.fit_month = fits.fit_month

    union all

    select history_fits.conversion_type, spans.fit_month, {{ step }}, -sum(counted.touches) as touches
    from spans
    inner join history_fits on spans.fit_month = history_fits.fit_month
    inner join counted on history_fits.history_number = counted.history_number and {{ in_span }}
    group by 1, 2, 3, 4, 5

),

named as (

    select
        not_converted.conversion_type,
        not_converted.fit_month,
        not_converted.is_first,
        channels.channel,
        coalesce(next_channels.channel, '(null)') as next_state,
        not_converted.touches
    from not_converted
    inner join channels on not_converted.channel_number = channels.channel_number
    left join channels as next_channels on not_converted.next_channel = next_channels.channel_number

),

---------- both

steps as (

    select conversion_type, fit_month, from_state, to_state, transitions, value from converted

    union all

    select conversion_type, fit_month, '(start)' as from_state, channel as to_state, touches as transitions, 0 as value
    from named
    where is_first

    union all

    select conversion_type, fit_month, channel as from_state, next_state as to_state, touches as transitions, 0 as value
    from named
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
