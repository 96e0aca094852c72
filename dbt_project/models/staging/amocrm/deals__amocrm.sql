-- Grain: deal_key. Deals in their newest version, deleted ones included. Statuses 142 and 143 are won and lost in every pipeline.
with deals as (

    {{ newest_versions(source('raw_amocrm', 'leads'), 'account_id, id', 'updated_at desc, _extracted_at desc, day desc') }}

),

statuses as (

    {{ newest_versions(source('raw_amocrm', 'statuses'), 'account_id, pipeline_id, id', '_extracted_at desc, day desc') }}

),

rules as (

    select stage_value, pipeline, stage
    from {{ ref('stg_config__stage_map') }}
    where crm = 'amocrm' and object = 'deal' and stage in ('won', 'lost')

),

named as (

    select deals.*, statuses.name as status_name, statuses.pipeline_name
    from deals
    left join statuses
        on
            deals.account_id = statuses.account_id
            and deals.pipeline_id = statuses.pipeline_id
            and deals.status_id = statuses.id

),

ruled as (

    select named.account_id, named.id, min(rules.stage) as stage
    from named
    inner join rules
        on
            rules.stage_value in (named.status_id, named.status_name)
            and coalesce(rules.pipeline, named.pipeline_id) in (named.pipeline_id, named.pipeline_name)
    group by named.account_id, named.id

),

last_entries as (

    select account_id, entity_id as id, pipeline_after, status_after, max(created_at) as entered_at
    from {{ source('raw_amocrm', 'events') }}
    where type = 'lead_status_changed'
    group by account_id, entity_id, pipeline_after, status_after

),

states as (

    select
        named.*,
        last_entries.entered_at,
        -- what the business says of the status; then amoCRM's two
        coalesce(ruled.stage, case named.status_id when '142' then 'won' when '143' then 'lost' end, 'open') as outcome
    from named
    left join ruled on named.account_id = ruled.account_id and named.id = ruled.id
    left join last_entries
        on
            named.account_id = last_entries.account_id
            and named.id = last_entries.id
            and named.pipeline_id = last_entries.pipeline_after
            and named.status_id = last_entries.status_after

)

{% call as_shape('deals') %}
select
    'amocrm:' || account_id || ':' || id as deal_key,
    id as crm_deal_id,
    false as is_merged,
    is_deleted,
    false as is_export,
    coalesce(pipeline_name, pipeline_id) as pipeline,
    coalesce(status_name, status_id) as stage,
    outcome as status,
    created_at,
    false as created_at_is_day,
    true as is_created_at_known,
    -- a status of the business's own closes nothing for amoCRM: its entry does, or the deal was made in it
    case when outcome != 'open' then coalesce(closed_at, entered_at, created_at) end as closed_at,
    false as closed_at_is_day,
    -- amoCRM has 0 where nobody has filled in an amount: that is not known to be nothing
    nullif(price, 0) as amount,
    upper(nullif(trim(currency), '')) as currency_code,
    nullif(trim(product), '') as product,
    'amocrm:' || account_id || ':' || responsible_user_id as owner_id,
    'amocrm:' || account_id || ':' || nullif(trim(refund_of_deal_id), '') as refund_of_deal_key,
    'amocrm:company:' || account_id || ':' || company_id as company_key,
    {{ usable_order_id('order_id') }} as order_id,
    {{ known('states.utm_source') }} as utm_source,
    {{ known('states.utm_medium') }} as utm_medium,
    {{ known('states.utm_campaign') }} as utm_campaign,
    {{ known('states.utm_term') }} as utm_term,
    {{ known('states.utm_content') }} as utm_content
from states
{% endcall %}
