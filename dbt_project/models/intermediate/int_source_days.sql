-- which days of each domain are extracted and final, and what the vendors said of them
with settings as (

    select * from {{ ref('stg_config__settings') }}

),

truth as (

    select * from {{ ref('int_web_truth') }}

),

-- the streams that decide about a domain: the one truth of web traffic, the totals of ads, the records of a CRM.
-- A listing covers all days from its first business day to the day it was read; a report covers the days that were asked
listed as (

    select *
    from (
        values
        ('web', 'ga4', 'traffic', false),
        ('web', 'ga4_export', 'events', false),
        ('web', 'files', 'sessions', true),
        ('visitors', 'ga4', 'visitors_day', false),
        ('visitors', 'ga4_export', 'events', false),
        ('visitors', 'files', 'sessions', true),
        ('crm', 'hubspot', 'contacts', true),
        ('crm', 'hubspot', 'deals', true),
        ('crm', 'files', 'leads', true),
        ('crm', 'files', 'deals', true),
        ('crm', 'files', 'orders', true),
        ('ads', 'google_ads', 'campaign_performance', false),
        ('ads', 'files', 'ad_cost', true),
        ('costs', 'files', 'other_costs', true),
        ('costs', 'config', 'ledger', true),
        ('rates', 'fx', 'rates', false),
        ('rates', 'files', 'exchange_rates', true),
        ('social', 'files', 'followers', true),
        ('survey', 'files', 'surveys', true)
    ) as streams (domain, source, stream, is_listing)

),

-- records are filed under the day of their last change, rules under no day: their business began elsewhere
business_starts as (

    select
        'hubspot' as source,
        'contacts' as stream,
        {{ reporting_date('min(contacts.created_at)', 'max(settings.reporting_time_zone)') }} as first_day
    from {{ ref('stg_hubspot__contacts') }} as contacts
    cross join settings
    union all
    select
        'hubspot' as source,
        'deals' as stream,
        {{ reporting_date('min(deals.created_at)', 'max(settings.reporting_time_zone)') }} as first_day
    from {{ ref('stg_hubspot__deals') }} as deals
    cross join settings
    union all
    select 'config' as source, 'ledger' as stream, min(start_date) as first_day
    from {{ ref('stg_config__ledger') }}

),

extractions as (

    select * from {{ ref('stg_meta__days') }}

),

restatements as (

    select source, stream, max(restate_days) as restate_days
    from extractions
    group by source, stream

),

streams as (

    select
        listed.domain,
        listed.source,
        listed.stream,
        listed.is_listing,
        states.is_stale,
        states.checked_on,
        coalesce(restatements.restate_days, 1) as restate_days,
        case
            when business_starts.source is not null then business_starts.first_day
            else states.first_day
        end as first_day
    from listed
    cross join truth
    inner join {{ ref('stg_meta__streams') }} as states
        on listed.source = states.source and listed.stream = states.stream
    left join restatements on listed.source = restatements.source and listed.stream = restatements.stream
    left join business_starts on listed.source = business_starts.source and listed.stream = business_starts.stream
    where
        states.is_on
        and (listed.domain not in ('web', 'visitors') or listed.source = truth.web_truth)

),

stream_days as (

    select
        streams.domain,
        streams.source,
        days.date_day,
        case when streams.is_listing then days.date_day <= streams.checked_on else extractions.date_day is not null end
            as is_extracted,
        case
            when streams.is_listing then days.date_day + streams.restate_days <= streams.checked_on
            else coalesce(days.date_day + streams.restate_days <= extractions.checked_on, false)
        end as is_final,
        coalesce(extractions.sampled_share < 1, false) as is_sampled,
        coalesce(extractions.is_thresholded, false) as is_thresholded,
        coalesce(extractions.has_other_row, false) as has_other_row,
        coalesce(extractions.is_truncated, false) as is_truncated,
        -- an account could not be read when the others were: what stands for it is what it said before
        coalesce(extractions.has_unread_accounts, false) as has_unread_accounts,
        streams.is_stale
    from streams
    cross join settings
    inner join {{ ref('int_days_listed') }} as days
        on days.date_day between streams.first_day and settings.today
    left join extractions
        on
            streams.source = extractions.source
            and streams.stream = extractions.stream
            and days.date_day = extractions.date_day

),

-- the last read failed: days that it would have changed are stale
staleness as (

    select
        *,
        case when is_stale and not is_final then 'stale:' || source end as stale_source
    from stream_days

),

flagged as (

    select
        domain,
        date_day,
        bool_and(is_extracted) as is_extracted,
        bool_and(is_extracted and is_final) as is_final,
        {{ quality_flags([
            ('bool_or(is_sampled)', 'sampled'),
            ('bool_or(is_thresholded)', 'thresholded'),
            ('bool_or(has_other_row)', 'other_row'),
            ('bool_or(is_truncated)', 'truncated'),
            ('bool_or(has_unread_accounts)', 'unread_accounts'),
        ]) }} as vendor_quality,
        {{ joined_text('distinct stale_source', ';', 'stale_source') }} as stale_sources
    from staleness
    group by domain, date_day

)

select
    domain,
    date_day,
    is_extracted,
    is_final,
    case
        when stale_sources is null then vendor_quality
        when vendor_quality = 'ok' then stale_sources
        else vendor_quality || ';' || stale_sources
    end as quality
from flagged
