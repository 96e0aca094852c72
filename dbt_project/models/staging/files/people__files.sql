-- Grain: record_key. Leads of files; they know no merging.
{%- set click_ids = click_id_names() | reject('in', ['gbraid', 'wbraid']) | list %}
with leads as (

    select * from {{ ref('stg_files__leads') }}

)

{% call as_shape('people') %}
select
    'files:' || account_id || ':' || lead_id as record_key,
    lead_id as crm_record_id,
    'files:' || account_id || ':' || lead_id as survivor_key,
    false as is_merged,
    is_deleted,
    true as is_export,
    account_id,
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
    {{ click_id_of('leads', click_ids) }} as click_id,
    {% for name in click_ids -%}
    {{ known(name) }} as {{ name }},
    {% endfor -%}
    ga_client_id,
    ym_client_id,
    landing_page,
    channel as crm_source,
    form,
    device,
    country,
    self_reported_source,
    placeholder_ids
from leads
{% endcall %}
