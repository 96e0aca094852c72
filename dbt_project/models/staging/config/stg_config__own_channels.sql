with source as (

    select * from {{ source('raw_config', 'own_channels') }}

),

renamed as (

    select
        channel

    from source

)

select * from renamed
