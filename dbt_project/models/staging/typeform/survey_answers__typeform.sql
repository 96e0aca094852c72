-- Grain: account_id, response_id, question_id.
with answers as (

    {{ newest_versions(
        source('raw_typeform', 'answers'), 'account_id, response_id, question_id', 'submitted_at desc, _extracted_at desc, day desc'
    ) }}

)

{% call as_shape('survey_answers') %}
select
    account_id,
    account_id as form_id,
    response_id,
    question_id,
    question_ref,
    question,
    submitted_at as answered_at,
    answer_number,
    answer_text,
    email_hash,
    {{ usable_client_id('client_id') }} as ga_client_id,
    {{ known('answers.utm_source') }} as utm_source,
    {{ known('answers.utm_medium') }} as utm_medium,
    {{ known('answers.utm_campaign') }} as utm_campaign,
    {{ known('answers.utm_term') }} as utm_term,
    {{ known('answers.utm_content') }} as utm_content
from answers
{% endcall %}
