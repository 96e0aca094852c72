-- Grain: record_key. Newest version of each lead and contact, and the record that stands for the person: of a contact and the leads
-- that became it, the oldest. Numbers of leads and contacts are their own: L_5 is a lead and C_5 a contact, as Bitrix24 writes.
with leads as (

    {{ newest_versions(source('raw_bitrix24', 'leads'), 'account_id, id', 'updatedTime desc, _extracted_at desc, day desc') }}

),

contacts as (

    {{ newest_versions(source('raw_bitrix24', 'contacts'), 'account_id, id', 'updatedTime desc, _extracted_at desc, day desc') }}

),

{% set shared = ['account_id', 'id', 'createdTime', 'assignedById', 'sourceId', 'email_hash', 'further_email_hashes', 'phone_hash',
    'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'gclid', 'gbraid', 'wbraid', 'fbclid', 'yclid',
    'msclkid', 'ttclid', 'li_fat_id', 'ga_client_id', 'ym_client_id', 'self_reported_source', 'country'] -%}
-- a contact names one lead that it was made from, each lead its contact: either is enough
contact_of_lead as (

    select account_id, leadId as lead_id, min(id) as contact_id
    from contacts
    where leadId is not null
    group by account_id, leadId

),

people as (

    select
        'L_' || leads.id as record_id, leads.stageId as status, coalesce(named.id, of_contacts.contact_id) as contact_id,
        {% for name in shared %}leads.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
    from leads
    left join contacts as named on leads.account_id = named.account_id and leads.contactId = named.id
    left join contact_of_lead as of_contacts on leads.account_id = of_contacts.account_id and leads.id = of_contacts.lead_id
    union all
    select
        'C_' || id as record_id, cast(null as string) as status, id as contact_id,
        {{ shared | join(', ') }}
    from contacts

)

select
    account_id || ':' || record_id as record_key,
    record_id,
    account_id,
    id,
    status,
    first_value(account_id || ':' || record_id) over (
        partition by account_id, coalesce('C_' || contact_id, record_id) order by createdTime, record_id desc
        rows between unbounded preceding and unbounded following
    ) as survivor_key,
    -- a converted lead is nobody's work any more: its contact's owner counts
    coalesce(
        max(case when record_id = 'C_' || contact_id then assignedById end) over (
            partition by account_id, coalesce('C_' || contact_id, record_id)
        ),
        assignedById
    ) as owner_id,
    createdTime as created_at,
    sourceId as source_id,
    email_hash,
    further_email_hashes,
    phone_hash,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    {% for name in click_id_names() -%}
    {{ usable_id(strip_invisible('people.' ~ name)) }} as {{ name }},
    {% endfor -%}
    {{ usable_client_id(strip_invisible('people.ga_client_id')) }} as ga_client_id,
    {{ usable_client_id(strip_invisible('people.ym_client_id')) }} as ym_client_id,
    {{ placeholder_ids('people', linking_click_ids(click_id_names()) + ['ga_client_id', 'ym_client_id']) }} as placeholder_ids,
    {{ known('people.self_reported_source') }} as self_reported_source,
    country
from people
