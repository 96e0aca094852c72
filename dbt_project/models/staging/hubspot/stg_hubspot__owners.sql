with source as (

    {{ newest_versions(
        source('raw_hubspot', 'owners'), 'id', 'updatedAt desc nulls last, _extracted_at desc, day desc'
    ) }}

),

renamed as (

    select
        ---------- ids
        id as owner_id,
        userId as user_id,
        email_hash,

        ---------- strings
        nullif(trim(concat_ws(' ', firstName, lastName)), '') as owner_name,

        ---------- booleans
        coalesce(archived, false) as is_archived,

        ---------- timestamps
        createdAt as created_at,
        updatedAt as updated_at

    from source

)

select * from renamed
