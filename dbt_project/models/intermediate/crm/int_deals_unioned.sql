-- The deals of every CRM, with what the CRM says of their state today. Deleted and merged ones are out.
with deals as (

    select * from {{ ref('deals') }} where not is_merged and not is_deleted

),

crms as (

    select * from {{ ref('int_crms_ranked') }}

)

select
    deals.deal_key,
    deals.source_system as crm,
    deals.crm_deal_id,
    deals.pipeline,
    deals.stage,
    deals.status,
    deals.created_at,
    deals.created_at_is_day,
    deals.is_created_at_known,
    deals.closed_at,
    deals.closed_at_is_day,
    deals.amount,
    deals.currency_code,
    deals.product,
    deals.owner_id,
    deals.refund_of_deal_key,
    deals.company_key,
    deals.account_id,
    deals.is_export,
    deals.named_lead_id,
    deals.named_lead_ids,
    deals.email_hash,
    deals.phone_hash,
    crms.crm_rank,
    deals.refund_of_deal_key is not null or coalesce(deals.amount, 0) < 0 as is_refund
from deals
inner join crms on deals.source_system = crms.crm
