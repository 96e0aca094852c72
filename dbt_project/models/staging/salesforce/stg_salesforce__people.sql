-- Newest version of each lead and contact, deleted and merged ones included. A lead that was converted names its contact.
with leads as (

    {{ newest_versions(
        source('raw_salesforce', 'leads'), 'Id', 'SystemModstamp desc, _extracted_at desc, day desc'
    ) }}

),

contacts as (

    {{ newest_versions(
        source('raw_salesforce', 'contacts'), 'Id', 'SystemModstamp desc, _extracted_at desc, day desc'
    ) }}

),

countries as (

    select * from {{ ref('countries') }}

),

{% set shared = ['email_hash', 'phone_hash', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'gclid',
    'gbraid', 'wbraid', 'fbclid', 'yclid', 'msclkid', 'ttclid', 'li_fat_id', 'ga_client_id', 'ym_client_id', 'first_url',
    'last_url', 'self_reported_source'] -%}
people as (

    select
        Id as record_id, 'lead' as object, OwnerId as owner_id, MasterRecordId as master_id,
        ConvertedContactId as contact_id, ConvertedOpportunityId as opportunity_id, Status as status,
        CountryCode as country_code, Country as country_name, LeadSource as lead_source,
        coalesce(IsConverted, false) as is_converted, coalesce(IsDeleted, false) as is_deleted,
        ConvertedDate as converted_day, CreatedDate as created_at, {{ shared | join(', ') }}
    from leads
    union all
    select
        Id as record_id, 'contact' as object, OwnerId as owner_id, MasterRecordId as master_id,
        cast(null as string) as contact_id, cast(null as string) as opportunity_id, cast(null as string) as status,
        MailingCountryCode as country_code, MailingCountry as country_name, LeadSource as lead_source,
        false as is_converted, coalesce(IsDeleted, false) as is_deleted,
        cast(null as date) as converted_day, CreatedDate as created_at, {{ shared | join(', ') }}
    from contacts

)

select
    people.record_id,
    people.object,
    people.owner_id,
    people.master_id,
    people.contact_id,
    people.opportunity_id,
    people.email_hash,
    people.phone_hash,
    people.utm_source,
    people.utm_medium,
    people.utm_campaign,
    people.utm_term,
    people.utm_content,
    {{ usable_id(strip_invisible('people.gclid')) }} as gclid,
    {{ usable_id(strip_invisible('people.gbraid')) }} as gbraid,
    {{ usable_id(strip_invisible('people.wbraid')) }} as wbraid,
    {{ usable_id(strip_invisible('people.fbclid')) }} as fbclid,
    {{ usable_id(strip_invisible('people.yclid')) }} as yclid,
    {{ usable_id(strip_invisible('people.msclkid')) }} as msclkid,
    {{ usable_id(strip_invisible('people.ttclid')) }} as ttclid,
    {{ usable_id(strip_invisible('people.li_fat_id')) }} as li_fat_id,
    {{ usable_client_id(strip_invisible('people.ga_client_id')) }} as ga_client_id,
    {{ usable_client_id(strip_invisible('people.ym_client_id')) }} as ym_client_id,
    {{ placeholder_ids('people', linking_click_ids(click_id_names()) + ['ga_client_id', 'ym_client_id']) }} as placeholder_ids,
    people.first_url,
    people.last_url,
    {{ known('people.self_reported_source') }} as self_reported_source,
    nullif(trim(people.lead_source), '') as lead_source,
    people.status,
    coalesce(upper(people.country_code), countries.country) as country,
    people.is_converted,
    people.is_deleted,
    people.converted_day,
    people.created_at
from people
left join countries on lower(trim(people.country_name)) = countries.country_name
