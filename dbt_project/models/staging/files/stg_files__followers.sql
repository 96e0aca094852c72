with source as (

    select * from {{ source('raw_files', 'followers') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        coalesce({{ known('account') }}, '(not set)') as account,

        ---------- dates
        date as date_day,

        ---------- strings
        lower(trim(network)) as network,

        ---------- numerics
        followers

    from source

)

select * from renamed
