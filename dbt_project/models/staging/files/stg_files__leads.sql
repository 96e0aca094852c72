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
        {{ known('channel') }} as channel,
        {{ known('source') }} as utm_source,
        {{ known('medium') }} as utm_medium,
        {{ known('campaign') }} as utm_campaign,
        {{ known('term') }} as utm_term,
        {{ known('content') }} as utm_content,
        {{ usable_id('source.gclid') }} as gclid,
        {{ usable_id('source.fbclid') }} as fbclid,
        {{ usable_id('source.yclid') }} as yclid,
        {{ usable_id('source.msclkid') }} as msclkid,
        {{ usable_id('source.ttclid') }} as ttclid,
        {{ usable_id('source.li_fat_id') }} as li_fat_id,
        {{ usable_client_id('source.ga_client_id') }} as ga_client_id,
        {{ usable_client_id('source.ym_client_id') }} as ym_client_id,
        {{ placeholder_ids('source', linking_click_ids(click_id_names()) + ['ga_client_id', 'ym_client_id']) }} as placeholder_ids,
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
