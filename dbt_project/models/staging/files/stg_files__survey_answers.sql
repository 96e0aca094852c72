with source as (

    select * from {{ source('raw_files', 'surveys') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        survey,
        wave,
        respondent_id,
        _copy as copy_number,

        ---------- strings
        question,
        answer,
        {{ known('audience') }} as audience,

        ---------- numerics
        coalesce(weight, 1.0) as weight,

        ---------- timestamps
        answered_at

    from source

)

select * from renamed
