-- The people of a deal: its contacts in the CRM, or the lead, e-mail or phone that a file names. One of them is primary:
-- labelled so, else the contact that was created first.
with deals as (

    select * from {{ ref('int_deals_unioned') }}

),

records as (

    select * from {{ ref('int_crm_records_unioned') }}

),

people as (

    select * from {{ ref('int_people_deduplicated') }}

),

person_keys as (

    select * from {{ ref('int_person_keys_resolved') }}

),

lead_ids as (

    select * from {{ ref('int_lead_ids_resolved') }}

),

associations as (

    select * from {{ ref('deal_people') }}

),

further_leads as (

    select deal_key, account_id, created_at, {{ explode('named_lead_ids') }} as lead_id
    from deals
    where named_lead_ids is not null

),

candidates as (

    select
        deals.deal_key,
        people.person_id,
        case when associations.is_primary then 0 else 1 end as preference,
        records.created_at,
        records.record_key
    from deals
    inner join associations on deals.deal_key = associations.deal_key
    inner join records on associations.record_key = records.record_key
    inner join people on records.record_key = people.record_key

    union all

    select
        deals.deal_key,
        coalesce(own_leads.person_id, other_leads.person_id, person_keys.person_id) as person_id,
        0 as preference,
        deals.created_at,
        deals.named_lead_id as record_key
    from deals
    left join lead_ids as own_leads
        on deals.named_lead_id = own_leads.lead_id and deals.account_id = own_leads.account_id
    left join lead_ids as other_leads on deals.named_lead_id = other_leads.lead_id and other_leads.preference = 1
    -- the phone counts only where there is no e-mail
    left join person_keys
        on
            case when deals.email_hash is null then 'phone' else 'email' end = person_keys.key_kind
            and coalesce(deals.email_hash, deals.phone_hash) = person_keys.key_value
    where coalesce(own_leads.person_id, other_leads.person_id, person_keys.person_id) is not null

    union all

    -- the other ones of a cell that names several
    select
        further_leads.deal_key,
        coalesce(own_leads.person_id, other_leads.person_id) as person_id,
        1 as preference,
        further_leads.created_at,
        further_leads.lead_id as record_key
    from further_leads
    left join lead_ids as own_leads
        on further_leads.lead_id = own_leads.lead_id and further_leads.account_id = own_leads.account_id
    left join lead_ids as other_leads on further_leads.lead_id = other_leads.lead_id and other_leads.preference = 1
    where coalesce(own_leads.person_id, other_leads.person_id) is not null

),

ranked as (

    select
        deal_key,
        person_id,
        row_number() over (partition by deal_key order by preference, created_at, record_key) as contact_order
    from candidates

)

select deal_key, person_id, min(contact_order) = 1 as is_primary
from ranked
group by deal_key, person_id
