with source as (

    select * from {{ source('raw_google_ads', 'clicks') }}

),

renamed as (

    select
        ---------- ids
        gclid,
        account_id,
        campaign_id,
        ad_group_id,
        {{ find_match('ad_id', "'([^/~]*)$'") }} as ad_id,

        ---------- dates
        date as date_day,
        day

    from source

)

select * from renamed
