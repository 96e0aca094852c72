with source as (

    select * from {{ source('raw_files', 'exchange_rates') }}

),

renamed as (

    select
        ---------- ids
        account_id,

        ---------- strings
        upper(trim(base_currency)) as base_currency,
        upper(trim(currency)) as currency_code,

        ---------- dates
        date as date_day,

        ---------- numerics
        rate

    from source
    where rate > 0

)

select * from renamed
