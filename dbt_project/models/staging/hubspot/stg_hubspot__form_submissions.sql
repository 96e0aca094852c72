with source as (

    {{ newest_versions(
        source('raw_hubspot', 'form_submissions'), 'conversionId', 'submittedAt desc, _extracted_at desc, day desc'
    ) }}

),

renamed as (

    select
        ---------- ids
        conversionId as submission_id,
        form_id,
        email_hash,
        phone_hash,

        ---------- touch
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        {{ browser_ids('source') }},

        ---------- strings
        pageUrl as page_url,
        {{ known('source.self_reported_source') }} as self_reported_source,

        ---------- timestamps
        submittedAt as submitted_at

    from source

)

select * from renamed
