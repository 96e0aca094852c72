-- The people of every CRM. Deleted ones are out; merged ones are in as their survivor.
with people as (

    select * from {{ ref('people') }} where not is_merged and not is_deleted

),

crms as (

    select * from {{ ref('int_crms_ranked') }}

)

select
    people.record_key,
    people.source_system as crm,
    people.is_export,
    people.account_id,
    people.crm_record_id,
    people.created_at,
    people.created_at_is_day,
    people.email_hash,
    people.phone_hash,
    people.owner_id,
    people.utm_source,
    people.utm_medium,
    people.utm_campaign,
    people.utm_term,
    people.utm_content,
    people.click_id,
    {% for name in click_id_names() -%}
    people.{{ name }},
    {% endfor -%}
    people.ga_client_id,
    people.ym_client_id,
    people.first_url,
    people.last_url,
    people.landing_page,
    people.crm_source,
    people.form,
    people.device,
    people.country,
    people.self_reported_source,
    crms.crm_rank
from people
inner join crms on people.source_system = crms.crm
