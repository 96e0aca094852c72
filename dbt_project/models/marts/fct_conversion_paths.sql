-- refunds are entries of the order that they belong to: one row for the conversion, its money net of them
with entries as (

    select * from {{ ref('int_conversions') }}

),

touches as (

    select * from {{ ref('int_conversion_touches') }}

),

conversions as (

    select
        conversion_key,
        max(conversion_type) as conversion_type,
        max(conversion_id) as conversion_id,
        max(case when entry = 'conversion' then lead_id end) as lead_id,
        max(case when entry = 'conversion' then conversion_at end) as conversion_at,
        max(case when entry = 'conversion' then conversion_date end) as conversion_date,
        bool_or(entry = 'conversion' and is_new_customer) as is_new_customer,
        bool_or(is_rate_missing) as is_rate_missing,
        case when not bool_or(is_rate_missing) then sum(revenue) end as revenue
    from entries
    group by conversion_key
    having bool_or(entry = 'conversion')

),

paths as (

    select
        conversion_key,
        {{ joined_text('channel', ' > ', 'touch_order') }} as full_path,
        {{ joined_text("case when next_channel is distinct from channel then channel end", ' > ', 'touch_order') }} as path,
        count(*) as touches,
        count(distinct channel) as distinct_channels,
        {{ earliest('channel', 'touch_order') }} as first_channel,
        {{ latest('channel', 'touch_order') }} as last_channel,
        min(touched_at) as first_touch_at,
        max(touched_at) as last_touch_at,
        -- a touch is known to the minute, so the one that is the conversion itself may seem to come after it
        greatest(max(seconds_before), 0) / 86400.0e0 as days_to_convert
    from touches
    group by conversion_key

)

select
    conversions.conversion_type,
    conversions.conversion_id,
    conversions.lead_id,
    conversions.conversion_at,
    conversions.conversion_date,
    coalesce(paths.path, '(unattributed)') as path,
    coalesce(paths.full_path, '(unattributed)') as full_path,
    cast(coalesce(paths.touches, 0) as bigint) as touches,
    cast(coalesce(paths.distinct_channels, 0) as bigint) as distinct_channels,
    coalesce(paths.first_channel, '(unattributed)') as first_channel,
    coalesce(paths.last_channel, '(unattributed)') as last_channel,
    paths.first_touch_at,
    paths.last_touch_at,
    paths.days_to_convert,
    {{ money('conversions.revenue') }} as revenue,
    conversions.is_new_customer,
    conversions.is_rate_missing
from conversions
left join paths on conversions.conversion_key = paths.conversion_key
