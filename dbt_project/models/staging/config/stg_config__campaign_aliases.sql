with source as (

    select * from {{ source('raw_config', 'campaign_aliases') }}

),

renamed as (

    select
        {{ normalise_utm('alias') }} as alias,
        platform,
        {{ normalise_utm('campaign') }} as campaign

    from source

)

select * from renamed
