with source as (

    select * from {{ source('raw_config', 'goals') }}

),

renamed as (

    select
        event_name as goal

    from source

)

select * from renamed
