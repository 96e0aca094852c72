with source as (

    select * from {{ source('raw_config', 'stage_map') }}

),

renamed as (

    select
        crm,
        object,
        pipeline,
        stage_value,
        stage

    from source

)

select * from renamed
