-- Grain: deal_key, record_key. Contacts with a role, and the leads whose conversion made the opportunity.
with linked as (

    select opportunity_id, contact_id as record_id, is_primary
    from {{ ref('stg_salesforce__contact_roles') }}
    union all
    select opportunity_id, record_id, false as is_primary
    from {{ ref('stg_salesforce__people') }}
    where opportunity_id is not null

)

select
    'salesforce:' || linked.opportunity_id as deal_key,
    'salesforce:' || merged.survivor_id as record_key,
    bool_or(linked.is_primary) as is_primary
from linked
inner join {{ ref('stg_salesforce__people_merged') }} as merged on linked.record_id = merged.record_id
group by linked.opportunity_id, merged.survivor_id
