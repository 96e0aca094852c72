-- The browsers in which the click of a form or a CRM record landed, where identity accepts the click: they are the
-- visitor's as well as if the form or record named the client id.
with links as (

    select * from {{ ref('int_identity_links') }}

),

named as (

    select *
    from links
    where
        is_link
        and evidence_kind in ('record', 'submission')
        and id_kind not in ('email', 'phone', 'client_id', 'user_id', 'order_id')

),

landings as (

    select * from links where is_link and evidence_kind = 'session'

),

clients as (

    select evidence, id_value as client_id from links where evidence_kind = 'session' and id_kind = 'client_id'

)

select distinct named.evidence, clients.client_id
from named
inner join landings on named.id_kind = landings.id_kind and named.id_value = landings.id_value
inner join clients on landings.evidence = clients.evidence
