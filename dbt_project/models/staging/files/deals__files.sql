-- Grain: deal_key.
{% call as_shape('deals') %}
select
    'files:' || deals.account_id || ':' || deals.deal_id as deal_key,
    deals.deal_id as crm_deal_id,
    false as is_merged,
    false as is_deleted,
    true as is_export,
    deals.pipeline,
    coalesce(deals.stage, deals.status) as stage,
    deals.status,
    deals.created_at,
    deals.created_at_is_day,
    deals.is_created_at_known,
    case when deals.status != 'open' then deals.closed_at end as closed_at,
    deals.status != 'open' and deals.closed_at_is_day as closed_at_is_day,
    deals.amount,
    deals.currency_code,
    deals.product,
    deals.owner_id,
    'files:customer:' || deals.customer_id as company_key,
    deals.account_id,
    deals.lead_id as named_lead_id,
    deals.lead_ids as named_lead_ids,
    deals.email_hash,
    deals.phone_hash,
    deals.channel,
    deals.utm_source,
    deals.utm_medium,
    deals.utm_campaign,
    deals.utm_term,
    deals.utm_content
from {{ ref('stg_files__deals') }} as deals
{% endcall %}
