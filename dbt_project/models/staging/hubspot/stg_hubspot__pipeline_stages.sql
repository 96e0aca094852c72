with source as (

    {{ newest_versions(
        source('raw_hubspot', 'pipelines'), 'pipeline_id, stage_id',
        'updatedAt desc nulls last, _extracted_at desc, day desc'
    ) }}

),

renamed as (

    select
        ---------- ids
        pipeline_id,
        stage_id,

        ---------- strings
        pipeline_label as pipeline_name,
        stage_label as stage_name,

        ---------- numerics
        displayOrder as stage_order,
        probability,

        ---------- booleans
        coalesce(isClosed, false) as is_closed,
        coalesce(archived, false) as is_archived

    from source

)

select * from renamed
