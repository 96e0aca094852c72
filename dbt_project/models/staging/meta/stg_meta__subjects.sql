with source as (

    select * from {{ source('raw_meta', 'subjects') }}

),

renamed as (

    select
        ---------- ids
        source,
        stream,
        part,
        entry,
        subject,

        ---------- dates
        first_day,
        last_day,
        begins,

        ---------- booleans
        decides,
        has_range

    from source

)

select * from renamed
