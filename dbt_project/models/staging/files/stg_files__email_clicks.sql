with source as (

    select * from {{ source('raw_files', 'email_clicks') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        email_hash,

        ---------- origin, as the file gives it
        {{ known('source') }} as vendor_source,
        {{ known('medium') }} as vendor_medium,
        {{ known('campaign') }} as vendor_campaign,

        ---------- strings
        {{ known('term') }} as term,
        {{ known('content') }} as content,
        {{ known('url') }} as url,

        ---------- timestamps
        clicked_at

    from source

)

select * from renamed
