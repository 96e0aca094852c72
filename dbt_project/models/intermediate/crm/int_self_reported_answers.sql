-- Answers to "How did you hear about us?" and the source that each means: the user's own wordings first, then the seed.
-- What nobody mapped stays visible as '(other)'. A form and the record that it fills say the same thing once.
with submissions as (

    select * from {{ ref('int_form_submissions_matched') }} where self_reported_source is not null

),

records as (

    select * from {{ ref('int_crm_records_unioned') }} where self_reported_source is not null

),

people as (

    select record_key, person_id from {{ ref('int_people_deduplicated') }}

),

leads as (

    select
        stage_dates.lead_id,
        {{ end_of_moment('stage_dates.lead_at', 'stage_dates.lead_at_is_day', 'settings.reporting_time_zone') }} as lead_at
    from {{ ref('int_lead_stage_dates') }} as stage_dates
    cross join {{ ref('stg_config__settings') }} as settings

),

given as (

    select
        'self_reported:submission:' || submission_id as answer_id,
        1 as origin_order,
        person_id,
        submitted_at as answered_at,
        self_reported_source as answer,
        form
    from submissions

    union all

    select
        'self_reported:record:' || records.record_key as answer_id,
        2 as origin_order,
        people.person_id,
        records.created_at as answered_at,
        records.self_reported_source as answer,
        records.form
    from records
    inner join people on records.record_key = people.record_key

),

answers as (

    select *, {{ normalise_answer('answer') }} as answer_text
    from given

),

-- the form says when; the record that it filled says it again, as of the day the record was made
once as (

    select *
    from answers
    where answer_text != ''
    qualify row_number() over (
        partition by coalesce(person_id, answer_id), answer_text order by origin_order, answered_at, answer_id
    ) = 1

),

wordings as (

    select phrase, source, medium, channel, 'funnelhouse.yml' as mapped_by, 0 as precedence, alias_position
    from {{ ref('stg_config__self_reported_aliases') }}
    union all
    select phrase, source, medium, channel, 'seed' as mapped_by, precedence, 0 as alias_position
    from {{ ref('self_reported_sources') }}

),

-- with a blank around: whole words, or words that begin so
phrases as (

    select
        *,
        ' ' || {{ normalise_answer('phrase') }} || case when phrase like '%*' then '' else ' ' end as pattern
    from wordings

),

texts as (

    select distinct
        answer_text,
        ' ' || answer_text || ' ' || {{ latin_look('answer_text') }} || ' ' as searched_text
    from once

),

found as (

    select
        texts.answer_text,
        phrases.phrase,
        phrases.source,
        phrases.medium,
        phrases.channel,
        phrases.mapped_by
    from texts
    inner join phrases on instr(texts.searched_text, phrases.pattern) > 0
    qualify row_number() over (
        partition by texts.answer_text
        order by
            phrases.precedence,
            phrases.alias_position,
            instr(texts.searched_text, phrases.pattern),
            length(phrases.pattern) desc,
            phrases.phrase
    ) = 1

),

named as (

    select
        once.answer_id,
        once.person_id,
        once.answered_at,
        once.answer,
        once.form,
        found.phrase,
        coalesce(found.mapped_by, 'unmapped') as mapped_by,
        case when found.phrase is null then '(other)' else found.source end as vendor_source,
        case when found.phrase is null then '(not set)' else coalesce(found.medium, '(not set)') end as vendor_medium,
        cast(null as string) as vendor_campaign,
        cast(null as string) as vendor_campaign_id,
        cast(null as string) as click_id,
        cast(null as string) as landing_page,
        found.channel as given_channel
    from once
    left join found on once.answer_text = found.answer_text

),

keyed as (

    select *, {{ origin_key() }} as origin_key from named

),

origins as (

    select * from {{ classify_origins('keyed') }} as classified

)

select
    keyed.answer_id,
    keyed.person_id,
    keyed.answered_at,
    -- a form and the CRM's clock differ by minutes: what made the lead came no later than the lead
    case
        when leads.lead_at >= keyed.answered_at - interval '5 minutes'
            then least(leads.lead_at, date_trunc('minute', keyed.answered_at))
        else date_trunc('minute', keyed.answered_at)
    end as touched_at,
    keyed.answer,
    keyed.form,
    keyed.phrase,
    keyed.mapped_by,
    case
        when origins.channel_basis = 'user_rule' then origins.channel
        else coalesce(keyed.given_channel, origins.channel)
    end as channel,
    origins.source,
    origins.medium
from keyed
inner join origins on keyed.origin_key = origins.origin_key
left join leads on keyed.person_id = leads.lead_id
