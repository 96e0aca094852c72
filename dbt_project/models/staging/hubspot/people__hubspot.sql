-- Grain: record_key. Contacts, archived ones and ones merged into others included.
with contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

merged as (

    select * from {{ ref('stg_hubspot__contacts_merged') }}

),

forms as (

    select distinct form_name from {{ ref('stg_hubspot__forms') }} where form_name is not null

),

-- HubSpot names the first form as "page title: form"
first_forms as (

    select contacts.contact_id, min(forms.form_name) as form
    from contacts
    inner join forms
        on
            contacts.first_conversion = forms.form_name
            or contacts.first_conversion like '%: ' || forms.form_name
    group by contacts.contact_id

)

{% call as_shape('people') %}
select
    'hubspot:' || contacts.contact_id as record_key,
    contacts.contact_id as crm_record_id,
    'hubspot:' || merged.survivor_id as survivor_key,
    merged.is_merged,
    merged.is_deleted,
    false as is_export,
    contacts.created_at,
    false as created_at_is_day,
    contacts.email_hash,
    contacts.additional_email_hashes as further_email_hashes,
    contacts.phone_hash,
    contacts.owner_id,
    {{ known('contacts.utm_source') }} as utm_source,
    {{ known('contacts.utm_medium') }} as utm_medium,
    {{ known('contacts.utm_campaign') }} as utm_campaign,
    {{ known('contacts.utm_term') }} as utm_term,
    {{ known('contacts.utm_content') }} as utm_content,
    {{ click_id_of('contacts', click_id_names()) }} as click_id,
    {% for name in click_id_names() -%}
    {{ known('contacts.' ~ name) }} as {{ name }},
    {% endfor -%}
    {{ known('contacts.ga_client_id') }} as ga_client_id,
    {{ known('contacts.ym_client_id') }} as ym_client_id,
    contacts.first_url,
    contacts.last_url,
    contacts.original_source as crm_source,
    first_forms.form,
    contacts.country,
    contacts.self_reported_source,
    contacts.placeholder_ids
from contacts
inner join merged on contacts.contact_id = merged.contact_id
left join first_forms on contacts.contact_id = first_forms.contact_id
{% endcall %}
