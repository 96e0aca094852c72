-- one stream for each grain, because users of a week cannot be summed from days
with source as (

    {% for grain in ['day', 'week', 'month', 'quarter', 'year'] %}
    select '{{ grain }}' as grain, period_start, dimension, member, totalUsers, activeUsers, account_id, day
    from {{ source('raw_ga4', 'visitors_' ~ grain) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

renamed as (

    select
        ---------- ids
        account_id,

        ---------- dates
        grain,
        period_start,
        day,

        ---------- strings
        dimension,
        member as vendor_member,

        ---------- numerics
        totalUsers as visitors,
        activeUsers as active_visitors

    from source

)

select * from renamed
