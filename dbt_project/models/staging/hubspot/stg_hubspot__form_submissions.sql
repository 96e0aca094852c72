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
        {{ usable_client_id(strip_invisible('source.ga_client_id')) }} as ga_client_id,
        {{ usable_client_id(strip_invisible('source.ym_client_id')) }} as ym_client_id,
        {{ placeholder_ids('source', linking_click_ids(click_id_names()) + ['ga_client_id', 'ym_client_id']) }} as placeholder_ids,

        ---------- touch
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        {{ usable_id(strip_invisible('source.gclid')) }} as gclid,
        {{ usable_id(strip_invisible('source.gbraid')) }} as gbraid,
        {{ usable_id(strip_invisible('source.wbraid')) }} as wbraid,
        {{ usable_id(strip_invisible('source.fbclid')) }} as fbclid,
        {{ usable_id(strip_invisible('source.yclid')) }} as yclid,
        {{ usable_id(strip_invisible('source.msclkid')) }} as msclkid,
        {{ usable_id(strip_invisible('source.ttclid')) }} as ttclid,
        {{ usable_id(strip_invisible('source.li_fat_id')) }} as li_fat_id,

        ---------- strings
        pageUrl as page_url,
        {{ known('source.self_reported_source') }} as self_reported_source,

        ---------- timestamps
        submittedAt as submitted_at

    from source

)

select * from renamed
