with source as (

    select * from {{ source('raw_meta', 'refusals') }}

),

renamed as (

    select
        ---------- ids
        source,
        stream,

        ---------- dates
        day as date_day,

        ---------- numerics
        rows,
        cells

    from source

)

select * from renamed
