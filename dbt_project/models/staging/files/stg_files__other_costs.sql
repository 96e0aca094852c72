with source as (

    select * from {{ source('raw_files', 'other_costs') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        -- a line without an id is known by where it stands in its file
        coalesce({{ known('line_id') }}, _file || ':' || _line) as line_id,
        _copy as copy_number,

        ---------- dates
        start_date,
        end_date,

        ---------- strings
        upper(trim(currency_code)) as currency_code,
        lower(trim(cost_type)) as cost_type,
        lower({{ known('motion') }}) as motion,
        {{ known('channel') }} as channel,
        {{ known('campaign') }} as campaign,

        ---------- numerics
        {{ money('amount') }} as amount_native,
        coalesce(acquisition_share, 1.0) as acquisition_share

    from source

)

select * from renamed
