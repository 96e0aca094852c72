-- The counters' own visitor counts with our names of the members. Members that become one (Google, google) cannot be counted
-- together: their sum is an upper bound, and the row says so
with reported as (

    select * from {{ ref('visitors') }}

),

extractions as (

    select * from {{ ref('stg_meta__content') }}

),

origin_members as (

    select distinct
        case when dimension = 'source' then vendor_member end as vendor_source,
        cast(null as string) as vendor_medium,
        case when dimension = 'campaign' then vendor_member end as vendor_campaign,
        cast(null as string) as vendor_campaign_id,
        cast(null as string) as click_id,
        cast(null as string) as landing_page
    from reported
    where dimension in ('source', 'campaign')

),

origins as (

    select * from {{ classify_origins('origin_members') }} as classified

),

renamed as (

    select
        reported.source_system,
        reported.stream,
        reported.grain,
        reported.period_start,
        reported.dimension,
        reported.account_id,
        reported.vendor_member,
        case reported.dimension
            when 'total' then 'all'
            when 'source' then origins.source
            when 'medium' then {{ normalise_utm('reported.vendor_member') }}
            when 'campaign' then origins.campaign_key
            when 'device' then {{ normalise_device('reported.vendor_member') }}
            when 'country' then {{ normalise_country('reported.vendor_member') }}
            when 'landing_page' then {{ url_path('reported.vendor_member') }}
            else reported.vendor_member
        end as member,
        reported.visitors,
        reported.active_visitors
    from reported
    left join origins
        on
            reported.vendor_member = coalesce(origins.vendor_source, origins.vendor_campaign)
            and reported.dimension = case when origins.vendor_source is null then 'campaign' else 'source' end

),

members as (

    select
        source_system,
        stream,
        grain,
        period_start,
        dimension,
        coalesce(member, '(not set)') as member,
        cast(sum(visitors) as bigint) as unique_visitors,
        cast(sum(active_visitors) as bigint) as active_visitors,
        count(distinct account_id) as accounts,
        count(*) as vendor_members
    from renamed
    group by source_system, stream, grain, period_start, dimension, coalesce(member, '(not set)')

)

select
    members.source_system,
    members.grain,
    members.period_start,
    members.dimension,
    members.member,
    members.unique_visitors,
    members.active_visitors,
    {{ quality_flags([
        ('extractions.sampled_share < 1', 'sampled'),
        ('extractions.is_thresholded', 'thresholded'),
        ('extractions.has_other_row', 'other_row'),
        ('extractions.is_truncated', 'truncated'),
        ('members.vendor_members > members.accounts', 'merged_members'),
        ('members.accounts > 1', 'several_accounts'),
    ]) }} as quality
from members
left join extractions
    on
        members.source_system = extractions.source
        and members.stream = extractions.stream
        and members.period_start = extractions.date_day
