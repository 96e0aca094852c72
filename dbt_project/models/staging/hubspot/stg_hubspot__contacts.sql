-- An archived contact is a version dated by its archiving, which does not move lastmodifieddate.
with source as (

    {{ newest_versions(
        source('raw_hubspot', 'contacts'), 'id',
        'greatest(lastmodifieddate, coalesce(archivedAt, lastmodifieddate)) desc, _extracted_at desc, day desc'
    ) }}

),

countries as (

    select * from {{ ref('countries') }}

),

renamed as (

    select
        ---------- ids
        id as contact_id,
        hubspot_owner_id as owner_id,
        email_hash,
        additional_email_hashes,
        phone_hash,
        {{ split_text('hs_merged_object_ids', ';') }} as merged_contact_ids,

        ---------- touch
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        {{ browser_ids('source') }},
        hs_analytics_source as original_source,
        hs_analytics_source_data_1 as original_source_detail_1,
        hs_analytics_source_data_2 as original_source_detail_2,
        hs_analytics_first_url as first_url,
        hs_analytics_last_url as last_url,
        first_conversion_event_name as first_conversion,
        {{ known('source.self_reported_source') }} as self_reported_source,

        ---------- strings
        lifecyclestage as lifecycle_stage,
        -- HubSpot's own code, else the name as typed, else where the address of the browser points
        coalesce(upper(source.hs_country_region_code), countries.country, upper(source.ip_country_code)) as country,

        ---------- histories
        lifecyclestage_history as lifecycle_stage_history,
        stage_entered_at,

        ---------- booleans
        coalesce(archived, false) as is_archived,

        ---------- timestamps
        createdate as created_at,
        lastmodifieddate as updated_at,
        archivedAt as archived_at,
        hs_analytics_first_timestamp as first_seen_at

    from source
    left join countries on lower(trim(source.country)) = countries.country_name

)

select * from renamed
