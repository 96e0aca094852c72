with source as (

    select * from {{ source('raw_ga4_export', 'events') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        user_pseudo_id as client_id,
        -- the event has no session where consent was not given
        user_pseudo_id || '.' || ga_session_id as session_id,
        {{ known('user_id_hash') }} as user_id_hash,
        transaction_id,
        event_bundle_sequence_id,
        _copy as copy_number,

        ---------- dates
        event_date as date_day,
        day,

        ---------- origin, as GA4 collected it
        {{ known('source') }} as vendor_source,
        {{ known('medium') }} as vendor_medium,
        {{ known('campaign') }} as vendor_campaign,
        {{ known('user_source') }} as user_source,
        {{ known('user_medium') }} as user_medium,
        {{ known('user_campaign') }} as user_campaign,

        ---------- strings
        event_name,
        {{ known('term') }} as term,
        {{ known('content') }} as content,
        {{ known('gclid') }} as gclid,
        {{ known('page_location') }} as page_url,
        {{ known('page_referrer') }} as referrer,
        {{ normalise_device('device_category') }} as device,
        lower({{ known('country') }}) as country_name,
        currency as currency_code,

        ---------- numerics
        ga_session_id,
        ga_session_number,
        engagement_time_msec,
        event_value,
        purchase_revenue,

        ---------- booleans
        coalesce(session_engaged, false) as is_session_engaged,
        coalesce(is_key_event, false) as is_key_event,

        ---------- timestamps
        event_timestamp as event_at

    from source

)

select * from renamed
