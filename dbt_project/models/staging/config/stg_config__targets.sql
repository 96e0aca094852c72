with source as (

    select * from {{ source('raw_config', 'targets') }}

),

renamed as (

    select
        kpi_id,
        grain,
        period_start,
        dimension,
        member,
        target

    from source

)

select * from renamed
