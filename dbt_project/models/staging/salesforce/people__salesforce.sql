-- Grain: record_key. Leads and contacts; a contact that a lead became is merged into that lead, as losers of merges are.
with people as (

    select * from {{ ref('stg_salesforce__people') }}

),

merged as (

    select * from {{ ref('stg_salesforce__people_merged') }}

)

{% call as_shape('people') %}
select
    'salesforce:' || people.record_id as record_key,
    people.record_id as crm_record_id,
    'salesforce:' || merged.survivor_id as survivor_key,
    merged.is_merged,
    merged.is_deleted,
    false as is_export,
    people.created_at,
    false as created_at_is_day,
    people.email_hash,
    people.phone_hash,
    -- a converted lead is nobody's work any more: its contact's owner counts
    'salesforce:' || coalesce(contacts.owner_id, people.owner_id) as owner_id,
    {{ known('people.utm_source') }} as utm_source,
    {{ known('people.utm_medium') }} as utm_medium,
    {{ known('people.utm_campaign') }} as utm_campaign,
    {{ known('people.utm_term') }} as utm_term,
    {{ known('people.utm_content') }} as utm_content,
    {{ click_id_of('people', click_id_names()) }} as click_id,
    {% for name in click_id_names() -%}
    {{ known('people.' ~ name) }} as {{ name }},
    {% endfor -%}
    {{ known('people.ga_client_id') }} as ga_client_id,
    {{ known('people.ym_client_id') }} as ym_client_id,
    people.first_url,
    people.last_url,
    people.lead_source as crm_source,
    people.country,
    people.self_reported_source,
    people.placeholder_ids
from people
inner join merged on people.record_id = merged.record_id
left join people as contacts on merged.last_id = contacts.record_id
{% endcall %}
