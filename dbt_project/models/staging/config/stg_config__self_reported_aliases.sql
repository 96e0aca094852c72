with source as (

    select * from {{ source('raw_config', 'self_reported_aliases') }}

),

renamed as (

    select
        ---------- ids
        position as alias_position,

        ---------- strings
        phrase,
        {{ normalise_utm('source') }} as source,
        {{ normalise_utm('medium') }} as medium,
        channel

    from source

)

select * from renamed
