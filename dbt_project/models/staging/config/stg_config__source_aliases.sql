with source as (

    select * from {{ source('raw_config', 'source_aliases') }}

),

renamed as (

    select
        {{ normalise_utm('alias') }} as alias,
        {{ normalise_utm('source') }} as source

    from source

)

select * from renamed
