-- Which stages a CRM knows at all. A stage that nobody maps has no data: it is neither counted nor filled in.
with stage_map as (

    select * from {{ ref('stg_config__stage_map') }}

),

evidence as (

    select distinct crm, stage from {{ ref('int_stage_evidence_collected') }}

),

deals as (

    select distinct crm from {{ ref('int_deals_unioned') }} where not is_refund

),

known_stages as (

    select crm, stage from stage_map
    union
    select crm, stage from evidence
    union
    select crms.crm, 'lead' as stage from {{ ref('int_crms_ranked') }} as crms
    union
    select deals.crm, outcomes.stage
    from deals
    cross join (values ('opportunity'), ('won'), ('lost')) as outcomes (stage)

)

select crm, stage
from known_stages
