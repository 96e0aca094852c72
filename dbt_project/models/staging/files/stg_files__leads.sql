with source as (

    {{ newest_versions(
        source('raw_files', 'leads'), 'account_id, lead_id',
        'coalesce(updated_at, created_at) desc, _extracted_at desc, day desc, _file desc, _line desc'
    ) }}

),

countries as (

    select * from {{ ref('countries') }}

),

renamed as (

    select
        ---------- ids
        account_id,
        lead_id,
        email_hash,
        phone_hash,
        {{ known('owner_id') }} as owner_id,

        ---------- touch
        {{ named_origin('source') }},
        {{ browser_ids('source', ['gclid', 'fbclid', 'yclid', 'msclkid', 'ttclid', 'li_fat_id'], is_typed=false) }},
        {{ known('landing_page') }} as landing_page,
        {{ known('source.self_reported_source') }} as self_reported_source,

        ---------- strings
        {{ known('stage') }} as stage,
        {{ known('form') }} as form,
        {{ known('device') }} as device,
        countries.country,

        ---------- booleans
        coalesce(deleted, false) as is_deleted,

        ---------- timestamps
        created_at,
        updated_at,
        mql_at,
        sal_at,
        sql_at,
        opportunity_at,
        won_at,
        lost_at,

        ---------- days without a time
        {% for moment in ['created', 'mql', 'sal', 'sql', 'opportunity', 'won', 'lost'] -%}
        coalesce(source.{{ moment }}_at_is_day, false) as {{ moment }}_at_is_day{{ ',' if not loop.last }}
        {% endfor %}
    from source
    left join countries on lower(trim(source.country)) = countries.country_name

)

select * from renamed
