-- which days of each subject are extracted and final, part by part of the streams that feed it, and what the vendors said
with settings as (

    select * from {{ ref('stg_config__settings') }}

),

clock as (

    select * from {{ ref('stg_config__clock') }}

),

subjects as (

    select * from {{ ref('int_source_subjects') }}

),

extractions as (

    select * from {{ ref('stg_meta__days') }}

),

-- cells that could not be taken, on the days that they would have counted for; without a day, any may be meant (rows are
-- counted by period, where KPIs are made)
refusals as (

    select * from {{ ref('stg_meta__refusals') }}

),

-- A report covers the days that were asked. A listing of records covers all days up to its reading: before it was listed
-- whole only those since its first day, because a record is filed under its last change.
ranges as (

    select
        subjects.source,
        subjects.stream,
        subjects.part,
        subjects.entry,
        subjects.subject,
        subjects.has_range or streams.kind = 'record' as has_range,
        case
            when subjects.has_range then subjects.first_day
            when streams.listed_on is null then streams.first_day
        end as first_day,
        case when subjects.has_range and subjects.last_day < streams.checked_on then subjects.last_day else streams.checked_on end
            as last_day,
        case
            when subjects.has_range then subjects.begins
            when streams.kind = 'record'
                then coalesce(
                    least({{ reporting_date('streams.begins_at', 'settings.reporting_time_zone') }}, streams.asked_from),
                    streams.first_day,
                    streams.listed_on
                )
            else streams.first_day
        end as begins,
        streams.checked_on,
        streams.settles_after_days,
        streams.is_stale
    from subjects
    cross join settings
    inner join {{ ref('stg_meta__streams') }} as streams
        on subjects.source = streams.source and subjects.stream = streams.stream

),

days as (

    select listed.date_day
    from {{ ref('int_days_listed') }} as listed
    cross join clock
    where listed.date_day between (select min(begins) from ranges) and clock.today

),

covered as (

    select
        ranges.source,
        ranges.stream,
        ranges.part,
        ranges.subject,
        days.date_day,
        coalesce(days.date_day >= ranges.begins, false) as has_begun,
        case
            when ranges.has_range
                then
                    coalesce(days.date_day <= ranges.last_day, false)
                    and (ranges.first_day is null or days.date_day >= ranges.first_day)
            else extractions.date_day is not null
        end as is_extracted,
        coalesce(
            days.date_day + ranges.settles_after_days
            <= case when ranges.has_range then ranges.checked_on else extractions.checked_on end,
            false
        ) as is_settled,
        not ranges.has_range and coalesce(extractions.sampled_share < 1, false) as is_sampled,
        not ranges.has_range and coalesce(extractions.is_thresholded, false) as is_thresholded,
        not ranges.has_range and coalesce(extractions.has_other_row, false) as has_other_row,
        not ranges.has_range and coalesce(extractions.is_truncated, false) as is_truncated,
        -- an account could not be read when the others were: what stands for it is what it said before
        coalesce(extractions.has_unread_accounts, false) as has_unread_accounts,
        coalesce(dated.cells > 0, false) as has_unread_cells,
        coalesce(undated.cells > 0, false) as may_have_unread_cells,
        ranges.is_stale
    from ranges
    cross join days
    left join extractions
        on
            ranges.source = extractions.source
            and ranges.stream = extractions.stream
            and days.date_day = extractions.date_day
    left join refusals as dated
        on ranges.source = dated.source and ranges.stream = dated.stream and days.date_day = dated.date_day
    left join refusals as undated
        on ranges.source = undated.source and ranges.stream = undated.stream and undated.date_day is null

),

-- entries of one name are one part in several shapes: a day is there if any of them has it; where the last read failed,
-- the days that it would have changed are stale
parts as (

    select
        source,
        stream,
        part,
        subject,
        date_day,
        bool_or(has_begun and is_extracted) as has_begun,
        bool_or(is_extracted) as is_extracted,
        bool_or(is_extracted and is_settled) as is_final,
        {{ quality_flags([
            ('bool_or(is_sampled)', 'sampled'),
            ('bool_or(is_thresholded)', 'thresholded'),
            ('bool_or(has_other_row)', 'other_row'),
            ('bool_or(is_truncated)', 'truncated'),
            ('bool_or(has_unread_accounts)', 'unread_accounts'),
            ('bool_or(has_unread_cells or (is_extracted and may_have_unread_cells))', 'unread_cells'),
            ('bool_or(is_stale) and not bool_or(is_extracted and is_settled)', 'stale'),
        ]) }} as flags
    from covered
    group by source, stream, part, subject, date_day

)

select
    source,
    stream,
    part,
    subject,
    date_day,
    has_begun,
    is_extracted,
    is_final,
    replace(replace(flags, 'stale', 'stale:' || source), 'unread_cells', 'unread_cells:' || source) as quality
from parts
where is_extracted or flags != 'ok'
