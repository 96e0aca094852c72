-- Grain: record_key or deal_key, stage, basis. Leads: dated stages, then the current stage alone. Deals: stages before the
-- opportunity that a business keeps as the first stages of a deal pipeline.
{%- set stages = funnel_stages() + ['lost'] %}
with leads as (

    select * from {{ ref('stg_files__leads') }}

),

stage_map as (

    select * from {{ ref('stg_config__stage_map') }} where crm = 'files'

),

staged as (

    select
        'files:' || leads.account_id || ':' || leads.lead_id as record_key,
        leads.*,
        -- a file may use our own names for the stages without any mapping
        coalesce(
            stage_map.stage,
            case when lower(leads.stage) in ('{{ stages | join("', '") }}') then lower(leads.stage) end
        ) as current_stage
    from leads
    left join stage_map on stage_map.object = 'contact' and leads.stage = stage_map.stage_value

),

early as (

    select
        'files:' || deals.account_id || ':' || deals.deal_id as deal_key,
        stage_map.stage,
        min(deals.created_at) as reached_at,
        {{ earliest('deals.created_at_is_day', '(deals.created_at, deals.created_at_is_day)') }} as reached_at_is_day
    from {{ ref('stg_files__deals') }} as deals
    inner join stage_map
        on
            stage_map.object = 'deal'
            and stage_map.stage in ('lead', 'mql', 'sal', 'sql')
            and deals.stage = stage_map.stage_value
            and (stage_map.pipeline is null or stage_map.pipeline = deals.pipeline)
    group by deals.account_id, deals.deal_id, stage_map.stage

)

{% for stage in stages -%}
{%- set moment = 'created' if stage == 'lead' else stage -%}
select
    record_key,
    cast(null as string) as deal_key,
    '{{ stage }}' as stage,
    {{ moment }}_at as reached_at,
    {{ moment }}_at_is_day as reached_at_is_day,
    'history' as basis,
    1 as preference
from staged
{{ 'where ' ~ moment ~ '_at is not null' if stage != 'lead' }}
union all
{% endfor -%}
select
    record_key,
    cast(null as string) as deal_key,
    current_stage as stage,
    created_at as reached_at,
    created_at_is_day as reached_at_is_day,
    'creation' as basis,
    3 as preference
from staged
where current_stage is not null
union all
select
    cast(null as string) as record_key,
    deal_key,
    stage,
    reached_at,
    reached_at_is_day,
    'history' as basis,
    1 as preference
from early
