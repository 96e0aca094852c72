with source as (

    {{ newest_versions(
        source('raw_salesforce', 'opportunity_contact_roles'), 'Id', 'SystemModstamp desc, _extracted_at desc, day desc'
    ) }}

)

select
    Id as role_id,
    OpportunityId as opportunity_id,
    ContactId as contact_id,
    coalesce(IsPrimary, false) as is_primary
from source
-- the roles of a deleted opportunity go with it; they were there
where not coalesce(IsDeleted, false)
