-- What was seen together with what: each CRM record, form submission and visit with the ids that it carries. An id that
-- is seen with too many people says nothing about who somebody is: it is marked, and links nobody.
{%- set click_ids = linking_click_ids() %}
with records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

hubspot_merged as (

    select * from {{ ref('int_hubspot_contacts_merged') }}

),

submissions as (

    select * from {{ ref('stg_hubspot__form_submissions') }}

),

sessions as (

    select
        int_sessions.client_id,
        int_sessions.started_at,
        {% for column in click_ids -%}
        int_sessions.{{ column }},
        {% endfor -%}
        {{ session_touch_id('int_sessions') }} as evidence
    from {{ ref('int_sessions') }} as int_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on int_sessions.source_system = web_truth.web_truth
    where int_sessions.client_id is not null

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

named as (

    select
        'record:' || record_key as evidence,
        'record' as evidence_kind,
        created_at as evidence_at,
        crm_rank as record_rank,
        email_hash,
        phone_hash,
        ga_client_id,
        ym_client_id,
        {{ click_ids | join(', ') }}
    from records

    union all

    select
        'submission:' || submission_id as evidence,
        'submission' as evidence_kind,
        submitted_at as evidence_at,
        cast(null as integer) as record_rank,
        email_hash,
        phone_hash,
        ga_client_id,
        ym_client_id,
        {{ click_ids | join(', ') }}
    from submissions

),

further_emails as (

    select contacts.contact_id, contacts.created_at, {{ explode('contacts.additional_email_hashes') }} as email_hash
    from contacts
    inner join hubspot_merged on contacts.contact_id = hubspot_merged.contact_id
    where not hubspot_merged.is_merged and not hubspot_merged.is_deleted

),

named_ids as (

    select evidence, 'email' as id_kind, email_hash as id_value, evidence_at as seen_at from named
    union all
    select evidence, 'phone' as id_kind, phone_hash as id_value, evidence_at as seen_at from named
    union all
    select evidence, 'client_id' as id_kind, ga_client_id as id_value, evidence_at as seen_at from named
    union all
    select evidence, 'client_id' as id_kind, ym_client_id as id_value, evidence_at as seen_at from named
    {%- for column in click_ids %}
    union all
    select evidence, '{{ column }}' as id_kind, {{ column }} as id_value, evidence_at as seen_at from named
    {%- endfor %}

    union all

    -- HubSpot keeps the e-mails of merged contacts on the survivor
    select 'record:hubspot:' || contact_id as evidence, 'email' as id_kind, email_hash as id_value, created_at as seen_at
    from further_emails

    union all

    -- a portal that hides them: the merged contact's last version, while it is in the raw zone
    select
        'record:hubspot:' || hubspot_merged.survivor_id as evidence,
        'email' as id_kind,
        losers.email_hash as id_value,
        losers.created_at as seen_at
    from contacts as losers
    inner join hubspot_merged on losers.contact_id = hubspot_merged.contact_id
    where hubspot_merged.is_merged and not hubspot_merged.is_deleted

),

-- a click names the browser that it landed in
landings as (

    {% for column in click_ids -%}
    select
        '{{ column }}' as id_kind,
        {{ usable_id(column) }} as id_value,
        client_id,
        min(started_at) as started_at,
        {{ earliest('evidence', '(started_at, evidence)') }} as evidence
    from sessions
    where {{ column }} is not null
    group by {{ usable_id(column) }}, client_id
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

landed_clicks as (

    select id_kind, id_value, count(*) as browsers from landings where id_value is not null group by id_kind, id_value

),

named_clicks as (

    select distinct id_kind, id_value from named_ids where id_kind not in ('email', 'phone', 'client_id')

),

-- only where it brings something together: most clicks are of one browser, and of nobody
linking_landings as (

    select landings.*
    from landings
    inner join landed_clicks on landings.id_kind = landed_clicks.id_kind and landings.id_value = landed_clicks.id_value
    left join named_clicks on landings.id_kind = named_clicks.id_kind and landings.id_value = named_clicks.id_value
    where landed_clicks.browsers > 1 or named_clicks.id_value is not null

),

all_ids as (

    select evidence, id_kind, id_value, seen_at from named_ids where id_value is not null
    union all
    select evidence, id_kind, id_value, started_at as seen_at from linking_landings
    union all
    select evidence, 'client_id' as id_kind, client_id as id_value, started_at as seen_at from linking_landings

),

evidence_ids as (

    select evidence, id_kind, id_value, min(seen_at) as seen_at
    from all_ids
    group by evidence, id_kind, id_value

),

described as (

    select
        evidence_ids.evidence,
        coalesce(named.evidence_kind, 'session') as evidence_kind,
        evidence_ids.id_kind,
        evidence_ids.id_value,
        evidence_ids.seen_at,
        coalesce(named.evidence_at, evidence_ids.seen_at) as evidence_at,
        named.record_rank,
        named.email_hash,
        -- a record that names nobody may be anybody
        coalesce(named.email_hash, named.phone_hash, case when named.evidence_kind = 'record' then named.evidence end)
            as person_name
    from evidence_ids
    left join named on evidence_ids.evidence = named.evidence

),

id_uses as (

    select
        id_kind,
        id_value,
        count(distinct email_hash) as emails,
        count(distinct person_name) as people,
        count(distinct case when evidence_kind = 'record' then evidence end) as records
    from described
    group by id_kind, id_value

)

select
    described.evidence,
    described.evidence_kind,
    described.evidence_at,
    described.record_rank,
    described.id_kind,
    described.id_value,
    described.seen_at,
    case
        when described.id_kind = 'email' and id_uses.records > settings.identity_records_per_id then 'shared_email'
        when
            described.id_kind = 'phone'
            and (id_uses.emails > settings.identity_people_per_phone or id_uses.records > settings.identity_records_per_id)
            then 'shared_phone'
        when described.id_kind = 'client_id' and id_uses.people > settings.identity_people_per_client_id then 'shared_device'
        when
            described.id_kind not in ('email', 'phone', 'client_id')
            and greatest(id_uses.people, coalesce(landed_clicks.browsers, 0)) > settings.identity_people_per_click_id
            then 'copied_link'
    end as quarantined_for
from described
cross join settings
inner join id_uses on described.id_kind = id_uses.id_kind and described.id_value = id_uses.id_value
left join landed_clicks
    on described.id_kind = landed_clicks.id_kind and described.id_value = landed_clicks.id_value
