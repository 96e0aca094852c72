with source as (

    select * from {{ source('raw_config', 'gross_margins') }}

),

renamed as (

    select
        product,
        margin as gross_margin

    from source

)

select * from renamed
