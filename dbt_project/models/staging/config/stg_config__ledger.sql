with source as (

    select * from {{ source('raw_config', 'ledger') }}

),

renamed as (

    select
        ---------- ids
        line_id,

        ---------- dates
        start_date,
        end_date,

        ---------- strings
        upper(currency_code) as currency_code,
        cost_type,
        motion,
        channel,
        campaign,

        ---------- numerics
        {{ money('amount') }} as amount_native,
        coalesce(acquisition_share, 1.0) as acquisition_share

    from source

)

select * from renamed
