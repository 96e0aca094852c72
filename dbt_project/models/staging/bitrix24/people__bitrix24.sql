-- Grain: record_key. Leads and contacts; a contact that a lead became is merged into that lead. Whom Bitrix24 itself has merged into
-- another is gone, and the survivor has both addresses.
with people as (

    select * from {{ ref('stg_bitrix24__people') }}

),

countries as (

    select * from {{ ref('countries') }}

)

{% call as_shape('people') %}
select
    'bitrix24:' || people.record_key as record_key,
    people.record_id as crm_record_id,
    'bitrix24:' || people.survivor_key as survivor_key,
    people.record_key != people.survivor_key as is_merged,
    false as is_deleted,
    false as is_export,
    people.created_at,
    false as created_at_is_day,
    people.email_hash,
    people.further_email_hashes,
    people.phone_hash,
    'bitrix24:' || people.account_id || ':' || people.owner_id as owner_id,
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
    -- a name as typed, or the code itself
    coalesce(countries.country, case when length(trim(people.country)) = 2 then upper(trim(people.country)) end) as country,
    people.self_reported_source,
    people.placeholder_ids,
    nullif(trim(people.source_id), '') as crm_source
from people
left join countries on lower(trim(people.country)) = countries.country_name
{% endcall %}
