-- Grain: deal_key. Deals in their newest version. A stage is won or lost by its group (S, F), unless the business says otherwise.
with deals as (

    {{ newest_versions(source('raw_bitrix24', 'deals'), 'account_id, id', 'updatedTime desc, _extracted_at desc, day desc') }}

),

stages as (

    {{ newest_versions(source('raw_bitrix24', 'stages'), 'account_id, ENTITY_ID, STATUS_ID', '_extracted_at desc, day desc') }}

),

rules as (

    select stage_value, pipeline, stage
    from {{ ref('stg_config__stage_map') }}
    where crm = 'bitrix24' and object = 'deal' and stage in ('won', 'lost')

),

named as (

    select deals.*, stages.NAME as stage_name, stages.category_name
    from deals
    left join stages
        on
            deals.account_id = stages.account_id
            and deals.categoryId = stages.category_id
            and deals.stageId = stages.STATUS_ID

),

ruled as (

    select named.account_id, named.id, min(rules.stage) as stage
    from named
    inner join rules
        on
            rules.stage_value in (named.stageId, named.stage_name)
            and coalesce(rules.pipeline, named.categoryId) in (named.categoryId, named.category_name)
    group by named.account_id, named.id

),

-- a deal that was closed, reopened and closed again was closed at its last entry
last_entries as (

    select account_id, OWNER_ID as id, stage_id, max(CREATED_TIME) as entered_at
    from {{ source('raw_bitrix24', 'steps') }}
    where entity_type_id = '2'
    group by account_id, OWNER_ID, stage_id

),

states as (

    select
        named.*,
        last_entries.entered_at,
        -- what the business says of the stage; then Bitrix24's group of it
        coalesce(ruled.stage, case named.stageSemanticId when 'S' then 'won' when 'F' then 'lost' end, 'open') as outcome
    from named
    left join ruled on named.account_id = ruled.account_id and named.id = ruled.id
    left join last_entries
        on
            named.account_id = last_entries.account_id
            and named.id = last_entries.id
            and named.stageId = last_entries.stage_id

)

{% call as_shape('deals') %}
select
    'bitrix24:' || account_id || ':' || id as deal_key,
    id as crm_deal_id,
    false as is_merged,
    false as is_deleted, -- what is deleted vanishes
    false as is_export,
    coalesce(category_name, categoryId) as pipeline,
    coalesce(stage_name, stageId) as stage,
    outcome as status,
    createdTime as created_at,
    false as created_at_is_day,
    true as is_created_at_known,
    -- the close date is a day that people write
    case when outcome != 'open' then coalesce(entered_at, movedTime, createdTime) end as closed_at,
    false as closed_at_is_day,
    -- Bitrix24 has 0 where nobody has filled in an amount: that is not known to be nothing
    nullif(opportunity, 0) as amount,
    upper(nullif(trim(currencyId), '')) as currency_code,
    nullif(trim(product), '') as product,
    'bitrix24:' || account_id || ':' || assignedById as owner_id,
    'bitrix24:' || account_id || ':' || nullif(trim(refund_of_deal_id), '') as refund_of_deal_key,
    'bitrix24:company:' || account_id || ':' || companyId as company_key,
    {{ usable_order_id('order_id') }} as order_id,
    {{ known('states.utm_source') }} as utm_source,
    {{ known('states.utm_medium') }} as utm_medium,
    {{ known('states.utm_campaign') }} as utm_campaign,
    {{ known('states.utm_term') }} as utm_term,
    {{ known('states.utm_content') }} as utm_content
from states
{% endcall %}
