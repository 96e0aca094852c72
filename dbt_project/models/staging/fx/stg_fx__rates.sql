with source as (

    select * from {{ source('raw_fx', 'rates') }}

),

renamed as (

    select
        ---------- strings
        provider,
        upper(base_currency) as base_currency,
        upper(currency) as currency_code,

        ---------- dates
        date as date_day,

        ---------- numerics
        rate

    from source
    where rate > 0

)

select * from renamed
