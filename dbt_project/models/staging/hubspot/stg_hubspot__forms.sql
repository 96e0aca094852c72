with source as (

    {{ newest_versions(
        source('raw_hubspot', 'forms'), 'id', 'updatedAt desc nulls last, _extracted_at desc, day desc'
    ) }}

),

renamed as (

    select
        ---------- ids
        id as form_id,

        ---------- strings
        nullif(trim(name), '') as form_name,

        ---------- booleans
        coalesce(archived, false) as is_archived,

        ---------- timestamps
        createdAt as created_at,
        updatedAt as updated_at

    from source

)

select * from renamed
