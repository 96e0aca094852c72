-- What was seen together with what: each CRM record, form submission, visit, login and purchase with the ids that it
-- carries. An id that is seen with too many people says nothing about who somebody is: it is marked, and links nobody.
{%- set click_ids = linking_click_ids(landing_click_ids()) %}
{%- set field_click_ids = linking_click_ids(click_id_names()) %}
with records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

all_records as (

    select * from {{ ref('people') }}

),

submissions as (

    select * from {{ ref('submissions') }}

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

logins_and_purchases as (

    select * from {{ ref('logins') }}

),

deals as (

    select * from {{ ref('deals') }} where is_export

),

orders as (

    select
        'order:' || orders.account_id || ':' || orders.order_id as evidence,
        {{ usable_order_id('orders.order_id') }} as order_id,
        orders.account_id,
        orders.ordered_at,
        coalesce(orders.email_hash, deals.email_hash) as email_hash,
        case when coalesce(orders.email_hash, deals.email_hash) is null then coalesce(orders.phone_hash, deals.phone_hash) end
            as phone_hash,
        coalesce(orders.lead_id, deals.named_lead_id) as lead_id
    from {{ ref('orders') }} as orders
    left join deals
        on
            orders.source_system = deals.source_system
            and orders.account_id = deals.account_id
            and orders.deal_id = deals.crm_deal_id
    where not orders.is_refund

),

-- colleagues on a deal are not one person: the order is of the contact that is labelled primary, else of the oldest
deal_orders as (

    select
        deals.order_id,
        deals.created_at as ordered_at,
        'record:' || records.record_key as evidence
    from {{ ref('deals') }} as deals
    inner join {{ ref('deal_people') }} as deal_people on deals.deal_key = deal_people.deal_key
    inner join records on deal_people.record_key = records.record_key
    where deals.order_id is not null and deals.refund_of_deal_key is null and not deals.is_deleted
    qualify row_number() over (
        partition by deals.deal_key
        order by
            case when deal_people.is_primary then 0 else 1 end,
            records.created_at,
            records.record_key
    ) = 1

),

known_orders as (

    select order_id from orders where order_id is not null
    union
    select order_id from deal_orders

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
        {{ field_click_ids | join(', ') }}
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
        {{ field_click_ids | join(', ') }}
    from submissions

),

further_emails as (

    select record_key, created_at, {{ explode('further_email_hashes') }} as email_hash
    from all_records
    where not is_merged and not is_deleted

),

-- a click may be known from the address of a page only
addresses as (

    select 'record:' || record_key as evidence, created_at as seen_at, first_url as url from records where first_url like '%=%'
    union all
    select 'record:' || record_key as evidence, created_at as seen_at, last_url as url from records where last_url like '%=%'
    union all
    select 'record:' || record_key as evidence, created_at as seen_at, landing_page as url
    from records
    where landing_page like '%=%'
    union all
    select 'submission:' || submission_id as evidence, submitted_at as seen_at, page_url as url
    from submissions
    where page_url like '%=%'

),

named_ids as (

    select evidence, 'email' as id_kind, email_hash as id_value, evidence_at as seen_at from named
    union all
    select evidence, 'phone' as id_kind, phone_hash as id_value, evidence_at as seen_at from named
    union all
    select evidence, 'client_id' as id_kind, ga_client_id as id_value, evidence_at as seen_at from named
    union all
    select evidence, 'client_id' as id_kind, ym_client_id as id_value, evidence_at as seen_at from named
    {%- for column in field_click_ids %}
    union all
    select evidence, '{{ column }}' as id_kind, {{ column }} as id_value, evidence_at as seen_at from named
    {%- endfor %}
    {%- for column in click_ids %}
    union all
    select evidence, '{{ column }}' as id_kind, {{ usable_id(rare_url_param('url', column)) }} as id_value, seen_at
    from addresses
    {%- endfor %}

    union all

    -- a CRM may keep the e-mails of merged records on the survivor
    select 'record:' || record_key as evidence, 'email' as id_kind, email_hash as id_value, created_at as seen_at
    from further_emails

    union all

    -- one that hides them: the merged record's last version, while it is in the raw zone
    select
        'record:' || survivor_key as evidence,
        'email' as id_kind,
        email_hash as id_value,
        created_at as seen_at
    from all_records
    where is_merged and not is_deleted

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

-- who was logged in where; an e-mail as user id is that e-mail
logins as (

    select
        'login:' || account_id || ':' || session_id || ':' || user_id_hash as evidence,
        client_id,
        user_id_hash,
        min(event_at) as seen_at
    from logins_and_purchases
    where user_id_hash is not null
    group by account_id, session_id, client_id, user_id_hash

),

user_uses as (

    select user_id_hash, count(distinct client_id) as browsers from logins group by user_id_hash

),

browser_users as (

    select client_id, count(distinct user_id_hash) as users from logins group by client_id

),

emails as (

    select distinct id_value as email_hash from named_ids where id_kind = 'email' and id_value is not null
    union
    select email_hash from orders where email_hash is not null

),

-- only where they bring something together, or keep it apart; of one user alone at a browser the first login says it all
linking_logins as (

    select
        logins.evidence,
        logins.client_id,
        logins.user_id_hash,
        logins.seen_at,
        user_uses.browsers,
        case when emails.email_hash is not null then 'email' else 'user_id' end as user_kind
    from logins
    inner join user_uses on logins.user_id_hash = user_uses.user_id_hash
    inner join browser_users on logins.client_id = browser_users.client_id
    left join emails on logins.user_id_hash = emails.email_hash
    where user_uses.browsers > 1 or browser_users.users > 1 or emails.email_hash is not null
    qualify
        browser_users.users > 1
        or row_number() over (partition by logins.client_id, logins.user_id_hash order by logins.seen_at, logins.evidence) = 1

),

-- who bought: the order that the shop's books have, and the browser in which it was made
purchases as (

    select
        'purchase:' || logins_and_purchases.account_id || ':' || logins_and_purchases.session_id || ':' || logins_and_purchases.order_id as evidence,
        logins_and_purchases.client_id,
        logins_and_purchases.order_id,
        min(logins_and_purchases.event_at) as seen_at
    from logins_and_purchases
    inner join known_orders on logins_and_purchases.order_id = known_orders.order_id
    group by logins_and_purchases.account_id, logins_and_purchases.session_id, logins_and_purchases.client_id, logins_and_purchases.order_id

),

order_uses as (

    select order_id, count(distinct client_id) as browsers from purchases group by order_id

),

bought_orders as (

    select orders.*
    from orders
    inner join order_uses on orders.order_id = order_uses.order_id

),

-- an order names its lead by the lead's id in its own file or in the CRM; a deal of a CRM is of its contact
order_records as (

    select bought_orders.order_id, bought_orders.ordered_at, 'record:' || records.record_key as evidence
    from bought_orders
    inner join records
        on
            bought_orders.lead_id = records.crm_record_id
            and (not records.is_export or records.account_id = bought_orders.account_id)
    union all
    select deal_orders.order_id, deal_orders.ordered_at, deal_orders.evidence
    from deal_orders
    inner join order_uses on deal_orders.order_id = order_uses.order_id

),

all_ids as (

    select evidence, id_kind, id_value, seen_at from named_ids where id_value is not null
    union all
    select evidence, id_kind, id_value, started_at as seen_at from linking_landings
    union all
    select evidence, 'client_id' as id_kind, client_id as id_value, started_at as seen_at from linking_landings
    union all
    select evidence, user_kind as id_kind, user_id_hash as id_value, seen_at from linking_logins
    union all
    select evidence, 'client_id' as id_kind, client_id as id_value, seen_at from linking_logins
    union all
    select evidence, 'order_id' as id_kind, order_id as id_value, seen_at from purchases
    union all
    select evidence, 'client_id' as id_kind, client_id as id_value, seen_at from purchases
    union all
    select evidence, 'order_id' as id_kind, order_id as id_value, ordered_at as seen_at from bought_orders
    union all
    select evidence, 'email' as id_kind, email_hash as id_value, ordered_at as seen_at
    from bought_orders
    where email_hash is not null
    union all
    select evidence, 'phone' as id_kind, phone_hash as id_value, ordered_at as seen_at
    from bought_orders
    where phone_hash is not null
    union all
    select evidence, 'order_id' as id_kind, order_id as id_value, ordered_at as seen_at from order_records

),

-- who each evidence names; a record that names nobody may be anybody
heads as (

    select
        evidence,
        evidence_kind,
        evidence_at,
        record_rank,
        email_hash,
        coalesce(email_hash, phone_hash, case when evidence_kind = 'record' then evidence end) as person_name
    from named

    union all

    select
        evidence,
        'login' as evidence_kind,
        seen_at as evidence_at,
        cast(null as integer) as record_rank,
        case when user_kind = 'email' then user_id_hash end as email_hash,
        user_id_hash as person_name
    from linking_logins

    union all

    select distinct
        evidence,
        'purchase' as evidence_kind,
        seen_at as evidence_at,
        cast(null as integer) as record_rank,
        cast(null as string) as email_hash,
        cast(null as string) as person_name
    from purchases

    union all

    select distinct
        evidence,
        'order' as evidence_kind,
        ordered_at as evidence_at,
        cast(null as integer) as record_rank,
        email_hash,
        coalesce(email_hash, phone_hash) as person_name
    from bought_orders

),

evidence_ids as (

    select evidence, id_kind, id_value, min(seen_at) as seen_at
    from all_ids
    group by evidence, id_kind, id_value

),

described as (

    select
        evidence_ids.evidence,
        coalesce(heads.evidence_kind, 'session') as evidence_kind,
        evidence_ids.id_kind,
        evidence_ids.id_value,
        evidence_ids.seen_at,
        coalesce(heads.evidence_at, evidence_ids.seen_at) as evidence_at,
        heads.record_rank,
        heads.email_hash,
        heads.person_name
    from evidence_ids
    left join heads on evidence_ids.evidence = heads.evidence

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
            described.evidence_kind = 'login'
            and described.id_kind in ('email', 'user_id')
            and user_uses.browsers > settings.identity_browsers_per_login
            then 'shared_login'
        when
            described.id_kind = 'order_id'
            and greatest(id_uses.people, coalesce(order_uses.browsers, 0)) > settings.identity_people_per_click_id
            then 'repeated_order'
        when
            described.id_kind not in ('email', 'phone', 'client_id', 'user_id', 'order_id')
            and greatest(id_uses.people, coalesce(landed_clicks.browsers, 0)) > settings.identity_people_per_click_id
            then 'copied_link'
    end as quarantined_for
from described
cross join settings
inner join id_uses on described.id_kind = id_uses.id_kind and described.id_value = id_uses.id_value
left join landed_clicks
    on described.id_kind = landed_clicks.id_kind and described.id_value = landed_clicks.id_value
left join user_uses on described.id_kind in ('email', 'user_id') and described.id_value = user_uses.user_id_hash
left join order_uses on described.id_kind = 'order_id' and described.id_value = order_uses.order_id
