with source as (

    select * from {{ source('raw_files', 'sessions') }}

),

countries as (

    select * from {{ ref('countries') }}

),

renamed as (

    select
        ---------- ids
        -- a session id of GA4 is unique within its client only
        coalesce(source.client_id || '.', '') || source.session_id as session_id,
        source.account_id,
        {{ usable_client_id('source.client_id') }} as client_id,

        ---------- dates
        source.day,

        ---------- origin, as the file gives it
        {{ known('source.source') }} as vendor_source,
        {{ known('source.medium') }} as vendor_medium,
        {{ known('source.campaign') }} as vendor_campaign,

        ---------- strings
        {{ known('source.term') }} as term,
        {{ known('source.content') }} as content,
        {{ known('source.landing_page_url') }} as landing_page_url,
        {{ known('source.referrer') }} as referrer,
        {{ normalise_device('source.device') }} as device,
        countries.country,

        ---------- numerics
        coalesce(source.count, 1) as session_count,
        source.engaged_sessions,
        source.new_visitors,
        source.sessions_with_key_event,
        source.page_views,
        source.engagement_seconds,
        source.key_events,

        ---------- booleans
        source.is_engaged,
        source.is_new_visitor,

        ---------- timestamps
        source.started_at

    from source
    left join countries on lower(trim(source.country)) = countries.country_name

)

select * from renamed
