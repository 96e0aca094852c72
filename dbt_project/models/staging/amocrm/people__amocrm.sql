-- Grain: record_key. Contacts in their newest version. amoCRM keeps tags on the deal that a form makes: a contact without any of
-- its own has those of its first deal. Who was merged into another is gone, and the survivor has both addresses.
{% set tracking = ['utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content'] + click_id_names()
    + ['ga_client_id', 'ym_client_id'] -%}
with contacts as (

    {{ newest_versions(source('raw_amocrm', 'contacts'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

deals as (

    {{ newest_versions(source('raw_amocrm', 'leads'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

countries as (

    select * from {{ ref('countries') }}

),

of_people as (

    select *, {{ explode('contacts') }} as person
    from deals

),

first_deals as (

    select *
    from of_people
    where person.is_main
    qualify row_number() over (partition by account_id, person.id order by created_at, id) = 1

),

marked as (

    select *, coalesce({{ tracking | join(', ') }}) is not null as has_tags
    from contacts

),

tagged as (

    select
        marked.account_id || ':' || marked.id as key,
        marked.id,
        marked.is_deleted,
        marked.created_at,
        marked.email_hash,
        marked.further_email_hashes,
        marked.phone_hash,
        marked.account_id || ':' || marked.responsible_user_id as owner_key,
        marked.self_reported_source,
        marked.country,
        {%- for name in tracking %}
        case when marked.has_tags then marked.{{ name }} else first_deals.{{ name }} end as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from marked
    left join first_deals on marked.account_id = first_deals.account_id and marked.id = first_deals.person.id

),

renamed as (

    select
        tagged.key,
        tagged.id,
        tagged.is_deleted,
        tagged.created_at,
        tagged.email_hash,
        tagged.further_email_hashes,
        tagged.phone_hash,
        tagged.owner_key,
        tagged.utm_source,
        tagged.utm_medium,
        tagged.utm_campaign,
        tagged.utm_term,
        tagged.utm_content,
        {% for name in click_id_names() -%}
        {{ usable_id(strip_invisible('tagged.' ~ name)) }} as {{ name }},
        {% endfor -%}
        {{ usable_client_id(strip_invisible('tagged.ga_client_id')) }} as ga_client_id,
        {{ usable_client_id(strip_invisible('tagged.ym_client_id')) }} as ym_client_id,
        {{ placeholder_ids('tagged', linking_click_ids(click_id_names()) + ['ga_client_id', 'ym_client_id']) }} as placeholder_ids,
        {{ known('tagged.self_reported_source') }} as self_reported_source,
        -- a name as typed, or the code itself
        coalesce(countries.country, case when length(trim(tagged.country)) = 2 then upper(trim(tagged.country)) end) as country
    from tagged
    left join countries on lower(trim(tagged.country)) = countries.country_name

)

{% call as_shape('people') %}
select
    'amocrm:' || key as record_key,
    id as crm_record_id,
    'amocrm:' || key as survivor_key,
    false as is_merged,
    is_deleted,
    false as is_export,
    created_at,
    false as created_at_is_day,
    email_hash,
    further_email_hashes,
    phone_hash,
    'amocrm:' || owner_key as owner_id,
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
