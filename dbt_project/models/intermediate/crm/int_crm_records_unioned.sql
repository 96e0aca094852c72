-- One shape for the people of every CRM. Deleted ones are out; merged ones are in as their survivor.
{%- set files_click_ids = click_id_names() | reject('in', ['gbraid', 'wbraid']) | list %}
with hubspot_contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

hubspot_merged as (

    select * from {{ ref('int_hubspot_contacts_merged') }}

),

files_leads as (

    select * from {{ ref('stg_files__leads') }}

),

crms as (

    select * from {{ ref('int_crms_ranked') }}

),

hubspot_records as (

    select
        'hubspot:' || contacts.contact_id as record_key,
        'hubspot' as crm,
        cast(null as varchar) as account_id,
        contacts.contact_id as crm_record_id,
        contacts.created_at,
        false as created_at_is_day,
        contacts.email_hash,
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
        cast(null as varchar) as landing_page,
        contacts.original_source as crm_source,
        contacts.first_conversion,
        cast(null as varchar) as form,
        cast(null as varchar) as device,
        contacts.country,
        contacts.self_reported_source
    from hubspot_contacts as contacts
    inner join hubspot_merged on contacts.contact_id = hubspot_merged.contact_id
    where not hubspot_merged.is_merged and not hubspot_merged.is_deleted

),

files_records as (

    select
        'files:' || account_id || ':' || lead_id as record_key,
        'files' as crm,
        account_id,
        lead_id as crm_record_id,
        created_at,
        created_at_is_day,
        email_hash,
        phone_hash,
        owner_id,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        {{ click_id_of('files_leads', files_click_ids) }} as click_id,
        {% for name in click_id_names() -%}
        {{ known(name) if name in files_click_ids else 'cast(null as varchar)' }} as {{ name }},
        {% endfor -%}
        ga_client_id,
        ym_client_id,
        cast(null as varchar) as first_url,
        cast(null as varchar) as last_url,
        landing_page,
        channel as crm_source,
        cast(null as varchar) as first_conversion,
        form,
        device,
        country,
        self_reported_source
    from files_leads
    where not is_deleted

),

unioned as (

    select * from hubspot_records
    union all
    select * from files_records

)

select unioned.*, crms.crm_rank
from unioned
inner join crms on unioned.crm = crms.crm
