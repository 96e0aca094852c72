with source as (

    select * from {{ source('raw_meta', 'streams') }}

),

renamed as (

    select
        ---------- ids
        source,
        stream,

        ---------- strings
        domain,
        kind,

        ---------- dates
        first_day,
        last_day,
        checked_on,
        listed_on,
        asked_from,

        ---------- numerics
        settles_after_days,

        ---------- booleans
        coalesce(is_on, false) as is_on,
        coalesce(is_stale, false) as is_stale,

        ---------- timestamps
        begins_at

    from source

)

select * from renamed
