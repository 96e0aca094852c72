-- Grain: source_system, account_id, response_id, question_id.
with answers as (

    select * from {{ ref('survey_answers') }}

),

questions as (

    select * from {{ ref('stg_config__survey_questions') }}

),

settings as (

    select reporting_time_zone, brand_pattern from {{ ref('stg_config__settings') }}

),

-- a rule for one form stands above one for all
ruled as (

    select
        answers.source_system,
        answers.account_id,
        answers.response_id,
        answers.question_id,
        questions.kind,
        questions.scale_low,
        questions.scale_high
    from answers
    inner join questions
        on
            questions.question in (lower(answers.question_id), lower(answers.question_ref), lower(trim(answers.question)))
            and coalesce(questions.form, answers.form_id) = answers.form_id
    qualify row_number() over (
        partition by answers.source_system, answers.account_id, answers.response_id, answers.question_id
        order by case when questions.form is null then 1 else 0 end, questions.question_position
    ) = 1

),

kinds as (

    select
        answers.*,
        coalesce(ruled.kind, 'other') as kind,
        ruled.scale_low,
        ruled.scale_high,
        settings.reporting_time_zone,
        settings.brand_pattern
    from answers
    cross join settings
    left join ruled
        on
            answers.source_system = ruled.source_system
            and answers.account_id = ruled.account_id
            and answers.response_id = ruled.response_id
            and answers.question_id = ruled.question_id

)

select
    {{ reporting_date('answered_at', 'reporting_time_zone') }} as answer_date,
    source_system,
    account_id,
    form_id,
    response_id,
    question_id,
    question_ref,
    question,
    kind,
    answered_at,
    answer_number,
    case when kind != 'other' then answer_text end as answer_text,
    case
        when kind != 'nps' or answer_number != round(answer_number) then null
        when answer_number between 9 and 10 then 'promoter'
        when answer_number between 7 and 8 then 'passive'
        when answer_number between 0 and 6 then 'detractor'
    end as nps_group,
    case
        when kind = 'loyalty' and answer_number between scale_low and scale_high
            then 100 * {{ safe_divide('answer_number - scale_low', 'scale_high - scale_low') }}
    end as loyalty_points,
    case
        when kind in ('awareness_unaided', 'awareness_aided') and answer_text is not null
            then {{ full_match(normalise_answer('answer_text'), 'brand_pattern') }}
    end as names_brand,
    ga_client_id,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content
from kinds
