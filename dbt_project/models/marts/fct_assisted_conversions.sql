with paths as (

    select
        conversion_type || ':' || conversion_id as conversion_key,
        conversion_type,
        cast(date_trunc('month', conversion_date) as date) as month_start,
        first_channel,
        last_channel,
        revenue,
        is_rate_missing
    from {{ ref('fct_conversion_paths') }}

),

path_channels as (

    select distinct conversion_key, channel from {{ ref('int_conversion_touches') }}

),

-- a conversion without a touch is a row of its own: the last ones add up to all conversions
roles as (

    select
        paths.conversion_type,
        paths.month_start,
        coalesce(path_channels.channel, '(unattributed)') as channel,
        coalesce(path_channels.channel, '(unattributed)') = paths.last_channel as is_last,
        coalesce(path_channels.channel, '(unattributed)') = paths.first_channel as is_first,
        paths.revenue,
        paths.is_rate_missing
    from paths
    left join path_channels on paths.conversion_key = path_channels.conversion_key

)

select
    conversion_type,
    month_start,
    channel,
    cast(count(*) as bigint) as conversions,
    cast(sum(case when is_last then 1 else 0 end) as bigint) as last_conversions,
    cast(sum(case when not is_last then 1 else 0 end) as bigint) as assisted_conversions,
    cast(sum(case when is_first then 1 else 0 end) as bigint) as first_conversions,
    {{ safe_divide('sum(case when not is_last then 1 else 0 end)', 'sum(case when is_last then 1 else 0 end)') }}
        as assisted_per_last,
    -- one unconverted part leaves the whole unconverted
    {% for role, condition in [('last', 'is_last'), ('assisted', 'not is_last')] -%}
    case
        when conversion_type = 'order' and not coalesce(bool_or({{ condition }} and is_rate_missing), false)
            then {{ money('coalesce(sum(case when ' ~ condition ~ ' then revenue end), 0)') }}
    end as {{ role }}_revenue{{ ',' if not loop.last }}
    {% endfor %}
from roles
group by conversion_type, month_start, channel
