-- Grain: deal_key. Deals in their newest version, deleted ones included. Won and lost are a status, whatever the stage.
with deals as (

    {{ newest_versions(source('raw_pipedrive', 'deals'), 'account_id, id', 'update_time desc, _extracted_at desc, day desc') }}

),

stages as (

    {{ newest_versions(source('raw_pipedrive', 'stages'), 'account_id, id', 'update_time desc nulls last, _extracted_at desc, day desc') }}

),

rules as (

    select stage_value, pipeline, stage
    from {{ ref('stg_config__stage_map') }}
    where crm = 'pipedrive' and object = 'deal' and stage in ('won', 'lost')

),

ruled as (

    select deals.account_id, deals.id, min(rules.stage) as stage
    from deals
    inner join stages on deals.account_id = stages.account_id and deals.stage_id = stages.id
    inner join rules
        on
            rules.stage_value in (stages.id, stages.name)
            and coalesce(rules.pipeline, stages.pipeline_id) in (stages.pipeline_id, stages.pipeline_name)
    group by deals.account_id, deals.id

),

states as (

    select
        deals.*,
        stages.name as stage_name,
        stages.pipeline_name,
        -- what the business says of the stage; then the deal's own status
        coalesce(ruled.stage, case when deals.status in ('won', 'lost') then deals.status end, 'open') as outcome
    from deals
    left join stages on deals.account_id = stages.account_id and deals.stage_id = stages.id
    left join ruled on deals.account_id = ruled.account_id and deals.id = ruled.id

)

{% call as_shape('deals') %}
select
    'pipedrive:' || account_id || ':' || id as deal_key,
    id as crm_deal_id,
    false as is_merged,
    coalesce(is_deleted, false) or status = 'deleted' as is_deleted,
    false as is_export,
    coalesce(pipeline_name, pipeline_id) as pipeline,
    coalesce(stage_name, stage_id) as stage,
    outcome as status,
    add_time as created_at,
    false as created_at_is_day,
    true as is_created_at_known,
    case outcome
        when 'won' then coalesce(won_time, close_time, stage_change_time)
        when 'lost' then coalesce(lost_time, close_time, stage_change_time)
    end as closed_at,
    false as closed_at_is_day,
    -- Pipedrive has 0 where nobody has filled in an amount: that is not known to be nothing
    nullif(value, 0) as amount,
    upper(nullif(trim(currency), '')) as currency_code,
    nullif(trim(product), '') as product,
    'pipedrive:' || account_id || ':' || owner_id as owner_id,
    'pipedrive:' || account_id || ':' || nullif(trim(refund_of_deal_id), '') as refund_of_deal_key,
    'pipedrive:company:' || account_id || ':' || org_id as company_key,
    {{ usable_order_id('order_id') }} as order_id,
    {{ known('states.utm_source') }} as utm_source,
    {{ known('states.utm_medium') }} as utm_medium,
    {{ known('states.utm_campaign') }} as utm_campaign,
    {{ known('states.utm_term') }} as utm_term,
    {{ known('states.utm_content') }} as utm_content
from states
{% endcall %}
