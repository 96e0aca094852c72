with source as (

    select * from {{ source('raw_files', 'targets') }}

),

renamed as (

    select
        ---------- ids
        kpi_id,
        account_id,

        ---------- dates
        grain,
        period_start,

        ---------- strings
        coalesce({{ known('dimension') }}, 'total') as dimension,
        coalesce({{ known('member') }}, 'all') as member,

        ---------- numerics
        target

    from source

)

select * from renamed
