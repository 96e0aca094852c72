with source as (

    select * from {{ source('raw_config', 'channel_rules') }}

),

renamed as (

    select
        position as rule_position,
        channel,
        source as source_pattern,
        medium as medium_pattern,
        campaign as campaign_pattern,
        landing_page as landing_page_pattern

    from source

)

select * from renamed
