with source as (

    select * from {{ source('raw_config', 'platform_motions') }}

),

renamed as (

    select
        platform,
        motion

    from source

)

select * from renamed
