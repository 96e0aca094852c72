with source as (

    select * from {{ source('raw_meta', 'days') }}

),

renamed as (

    select
        ---------- ids
        source,
        stream,

        ---------- strings
        domain,
        kind,
        period,
        content_hash,
        {{ json_text('quality', "'time_zone'") }} as time_zone,

        ---------- dates
        day as date_day,
        checked_on,

        ---------- numerics
        rows,
        restate_days,
        sampled_share,

        ---------- booleans
        coalesce(is_thresholded, false) as is_thresholded,
        coalesce(has_other_row, false) as has_other_row,
        coalesce(is_truncated, false) as is_truncated,
        {{ json_text('quality', "'unread_accounts'") }} is not null as has_unread_accounts,

        ---------- timestamps
        extracted_at

    from source

)

select * from renamed
