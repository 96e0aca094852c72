-- Grain: deal_key, record_key, label. Contacts of deals, each under the contact that stands for it today.
with associations as (

    select deal_id, {{ explode('contacts') }} as contact
    from {{ ref('stg_hubspot__deals') }}

)

select
    'hubspot:' || associations.deal_id as deal_key,
    'hubspot:' || merged.survivor_id as record_key,
    associations.contact.is_primary as is_primary
from associations
inner join {{ ref('stg_hubspot__contacts_merged') }} as merged on associations.contact.contact_id = merged.contact_id
