-- Grain: account_id, form_id, response_id, question_id.
with answers as (

    {{ newest_versions(
        source('raw_files', 'survey_answers'), "account_id, coalesce(form, account_id), response_id, question_id",
        'answered_at desc, _extracted_at desc, day desc, _file desc, _line desc'
    ) }}

)

{% call as_shape('survey_answers') %}
select
    account_id,
    coalesce({{ known('form') }}, account_id) as form_id,
    response_id,
    question_id,
    cast(null as string) as question_ref,
    question,
    answered_at,
    answer_number,
    answer_text,
    email_hash,
    {{ usable_client_id('ga_client_id') }} as ga_client_id,
    {{ known('answers.source') }} as utm_source,
    {{ known('answers.medium') }} as utm_medium,
    {{ known('answers.campaign') }} as utm_campaign,
    {{ known('answers.term') }} as utm_term,
    {{ known('answers.content') }} as utm_content
from answers
{% endcall %}
