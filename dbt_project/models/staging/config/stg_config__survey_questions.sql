with source as (

    select * from {{ source('raw_config', 'survey_questions') }}

),

renamed as (

    select
        ---------- ids
        position as question_position,

        ---------- strings
        lower(question) as question,
        form,
        kind,

        ---------- numerics
        scale_low,
        scale_high

    from source

)

select * from renamed
