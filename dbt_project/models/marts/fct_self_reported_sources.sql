with answers as (

    select * from {{ ref('int_self_reported_answers') }}

),

leads as (

    select lead_id, channel, source from {{ ref('fct_leads') }}

),

touches as (

    select touch_id from {{ ref('int_touchpoints_unioned') }} where touch_kind = 'self_reported'

),

settings as (

    select reporting_time_zone from {{ ref('stg_config__settings') }}

)

select
    ---------- ids
    answers.answer_id,
    answers.person_id,
    leads.lead_id,

    ---------- dates
    answers.answered_at,
    {{ reporting_date('answers.answered_at', 'settings.reporting_time_zone') }} as answered_date,

    ---------- what they say
    answers.answer,
    answers.channel,
    answers.source,
    answers.medium,
    answers.phrase,
    answers.mapped_by,
    coalesce(answers.form, '(not set)') as form,

    ---------- what tracking says
    leads.channel as tracked_channel,
    leads.source as tracked_source,
    touches.touch_id is not null as is_touch

from answers
cross join settings
left join leads on answers.person_id = leads.lead_id
left join touches on answers.answer_id = touches.touch_id
