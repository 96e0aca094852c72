with tags as (

    select * from {{ ref('int_tags_classified') }} where vendor_channel is not null

),

vendor_channels as (

    select * from {{ ref('vendor_channels') }} where taxonomy = 'channel_group'

),

overrides as (

    select source from {{ ref('source_category_overrides') }}

),

aliases as (

    select alias from {{ ref('stg_config__source_aliases') }}

),

compared as (

    select
        tags.*,
        coalesce(vendor_channels.channel, tags.vendor_channel) as expected_channel,
        case
            when coalesce(vendor_channels.channel, tags.vendor_channel) = tags.channel then 'agrees'
            when tags.channel_basis = 'user_rule' then 'user_rule'
            when tags.channel_basis = 'platform_type' then 'platform_type'
            when tags.medium = 'ai-assistant' then 'ai_assistant'
            when overrides.source is not null then 'source_override'
            when tags.channel_basis = 'ignored_referrer' then 'ignored_referrer'
            -- the vendor reads a value as it was written: with another spelling of the source, or with what nobody sees
            when aliases.alias is not null then 'source_alias'
            when {{ normalise_utm('tags.vendor_source') }} != tags.source then 'source_alias'
            when tags.is_cleaned then 'cleaned_value'
            else 'unexplained'
        end as reason
    from tags
    left join vendor_channels
        on tags.source_system = vendor_channels.vendor and lower(tags.vendor_channel) = vendor_channels.vendor_value
    left join aliases on {{ normalise_utm('tags.vendor_source') }} = aliases.alias
    left join overrides on {{ bare_host('tags.source') }} = overrides.source

)

select
    month_start,
    source_system,
    account_id,
    vendor_channel,
    channel,
    source,
    medium,
    reason,
    reason = 'agrees' as is_same,
    cast(sum(sessions) as bigint) as sessions
from compared
group by all
