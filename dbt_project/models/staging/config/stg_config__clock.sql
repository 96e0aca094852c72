-- apart from the settings, which stay what they are for months: what needs the day is built anew every day, the rest is not
with source as (

    select * from {{ source('raw_config', 'settings') }}

),

renamed as (

    select today

    from source

)

select * from renamed
