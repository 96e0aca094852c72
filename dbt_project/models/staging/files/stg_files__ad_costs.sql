with source as (

    select * from {{ source('raw_files', 'ad_cost') }}

),

platform_spellings as (

    select * from {{ ref('ad_platform_sources') }}

),

platform_labels as (

    select * from {{ ref('ad_platform_labels') }}

),

renamed as (

    select
        ---------- ids
        source.account_id,
        coalesce(
            platform_spellings.platform,
            platform_labels.platform,
            {{ replace_matches("lower(trim(source.platform))", "'[^[:alnum:]]+'", "'_'") }},
            source_labels.platform,
            'files'
        ) as platform,
        {{ known('source.campaign_id') }} as campaign_id,
        {{ known('source.ad_group_id') }} as ad_group_id,
        {{ known('source.ad_id') }} as ad_id,
        source._file || ':' || source._line as file_line,

        ---------- dates
        source.date as date_day,
        source.day,

        ---------- strings
        upper(trim(source.currency_code)) as currency_code,
        {{ known('source.campaign_name') }} as campaign_name,
        {{ known('source.channel_type') }} as campaign_type,
        {{ known('source.ad_group_name') }} as ad_group_name,
        {{ known('source.ad_name') }} as ad_name,
        {{ known('source.source') }} as vendor_source,
        {{ known('source.medium') }} as vendor_medium,
        {{ known('source.channel') }} as channel,

        ---------- numerics
        coalesce(source.impressions, 0) as impressions,
        coalesce(source.clicks, 0) as clicks,
        {{ money('coalesce(source.cost, 0)') }} as cost_native,
        {{ money('source.conversions') }} as platform_conversions,
        {{ money('source.conversions_value') }} as platform_conversions_value_native,

        ---------- timestamps
        source._extracted_at as extracted_at

    from source
    left join platform_spellings on lower(trim(source.platform)) = platform_spellings.source
    left join platform_labels on {{ label_words('source.platform') }} = platform_labels.label
    left join platform_labels as source_labels on {{ label_words('source.source') }} = source_labels.label

)

select * from renamed
