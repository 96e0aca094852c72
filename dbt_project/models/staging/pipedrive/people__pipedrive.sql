-- Grain: record_key. Persons in their newest version. Who was merged into another is gone: Pipedrive does not say where to.
with persons as (

    {{ newest_versions(source('raw_pipedrive', 'persons'), 'account_id, id', 'update_time desc, _extracted_at desc, day desc') }}

),

countries as (

    select * from {{ ref('countries') }}

),

renamed as (

    select
        account_id || ':' || id as key,
        id,
        coalesce(is_deleted, false) as is_deleted,
        add_time,
        email_hash,
        further_email_hashes,
        phone_hash,
        account_id || ':' || owner_id as owner_key,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        {{ browser_ids('persons') }},
        {{ known('persons.self_reported_source') }} as self_reported_source,
        -- a name as typed, or the code itself
        coalesce(countries.country, case when length(trim(persons.country)) = 2 then upper(trim(persons.country)) end) as country
    from persons
    left join countries on lower(trim(persons.country)) = countries.country_name

)

{% call as_shape('people') %}
select
    'pipedrive:' || key as record_key,
    id as crm_record_id,
    'pipedrive:' || key as survivor_key,
    false as is_merged,
    is_deleted,
    false as is_export,
    add_time as created_at,
    false as created_at_is_day,
    email_hash,
    further_email_hashes,
    phone_hash,
    'pipedrive:' || owner_key as owner_id,
    {{ known('renamed.utm_source') }} as utm_source,
    {{ known('renamed.utm_medium') }} as utm_medium,
    {{ known('renamed.utm_campaign') }} as utm_campaign,
    {{ known('renamed.utm_term') }} as utm_term,
    {{ known('renamed.utm_content') }} as utm_content,
    {{ click_id_of('renamed', click_id_names()) }} as click_id,
    {% for name in click_id_names() -%}
    {{ known('renamed.' ~ name) }} as {{ name }},
    {% endfor -%}
    {{ known('renamed.ga_client_id') }} as ga_client_id,
    {{ known('renamed.ym_client_id') }} as ym_client_id,
    country,
    self_reported_source,
    placeholder_ids
from renamed
{% endcall %}
