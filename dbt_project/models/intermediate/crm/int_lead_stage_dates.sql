-- When a person first was in each stage or beyond it. Stages that were skipped take the next one's moment; a stage
-- set back and reached again keeps the first moment. Nothing was reached before the person's own first record was made.
{%- set stages = funnel_stages() %}
with evidence as (

    select * from {{ ref('int_stage_evidence_collected') }}

),

deal_evidence as (

    select * from {{ ref('int_deal_stage_evidence_collected') }}

),

stages_mapped as (

    select * from {{ ref('int_stages_mapped') }}

),

people as (

    select * from {{ ref('int_people_deduplicated') }}

),

settings as (

    select reporting_time_zone from {{ ref('stg_config__settings') }}

),

crms_with_deals as (

    select distinct crm from {{ ref('int_deals_unioned') }} where not is_refund

),

people_with_deals as (

    select distinct lead_id from deal_evidence

),

-- the first CRM of crm.truth that has the person at any stage speaks for their stages
truth_evidence as (

    select *
    from evidence
    qualify crm_rank = min(crm_rank) over (partition by person_id)

),

-- deals decide on opportunity, won and lost where there are any; what the record says of them then only proves that
-- the person was a lead by that time
usable_evidence as (

    select
        truth_evidence.person_id as lead_id,
        case
            when truth_evidence.stage not in ('opportunity', 'won', 'lost') then truth_evidence.stage
            when crms_with_deals.crm is not null or people_with_deals.lead_id is not null then 'lead'
            else truth_evidence.stage
        end as stage,
        truth_evidence.reached_at,
        truth_evidence.reached_at_is_day,
        truth_evidence.stage != 'lead'
        and (
            truth_evidence.basis = 'creation'
            or (
                truth_evidence.stage in ('opportunity', 'won', 'lost')
                and coalesce(crms_with_deals.crm, people_with_deals.lead_id) is not null
            )
        ) as is_inferred
    from truth_evidence
    left join crms_with_deals on truth_evidence.crm = crms_with_deals.crm
    left join people_with_deals on truth_evidence.person_id = people_with_deals.lead_id

    union all

    select lead_id, stage, reached_at, reached_at_is_day, false as is_inferred
    from deal_evidence

),

-- the record that first says "lead" made the lead
lead_records as (

    select person_id, record_key, crm
    from truth_evidence
    qualify row_number() over (partition by person_id order by reached_at, record_created_at, record_key) = 1

),

-- a stage before the person's first record is an error of somebody's (a close in the wrong year), not a lead of that year
clamped as (

    select
        usable_evidence.lead_id,
        usable_evidence.stage,
        usable_evidence.is_inferred,
        greatest(usable_evidence.reached_at, people.person_created_at) as reached_at,
        case
            when usable_evidence.reached_at >= people.person_created_at then usable_evidence.reached_at_is_day
            else
                people.person_created_at_is_day
                or (
                    usable_evidence.reached_at_is_day
                    and {{ reporting_date('usable_evidence.reached_at', 'settings.reporting_time_zone') }}
                    = {{ reporting_date('people.person_created_at', 'settings.reporting_time_zone') }}
                )
        end as reached_at_is_day
    from usable_evidence
    cross join settings
    inner join people on usable_evidence.lead_id = people.record_key

),

reached as (

    select
        lead_id,
        {%- for stage in stages %}
        min(case when stage = '{{ stage }}' then reached_at end) as {{ stage }}_seen_at,
        {{ earliest("case when stage = '" ~ stage ~ "' then reached_at_is_day end", '(reached_at, reached_at_is_day)') }}
            as {{ stage }}_seen_is_day,
        min(case when stage = '{{ stage }}' and not is_inferred then reached_at end) as {{ stage }}_dated_at,
        {%- endfor %}
        max(case when stage = 'lost' then reached_at end) as lost_seen_at,
        {{ latest("case when stage = 'lost' then reached_at_is_day end", '(reached_at, reached_at_is_day)') }}
            as lost_seen_is_day
    from clamped
    group by lead_id

),

located as (

    select
        reached.*,
        {%- for stage in stages + ['lost'] %}
        {{ end_of_moment('reached.' ~ stage ~ '_seen_at', 'reached.' ~ stage ~ '_seen_is_day', 'settings.reporting_time_zone') }}
            as {{ stage }}_seen_until,
        {%- endfor %}
        coalesce(lead_records.record_key, people.record_key) as lead_record_key,
        coalesce(lead_records.crm, people.crm) as crm
    from reached
    cross join settings
    inner join people on reached.lead_id = people.record_key
    left join lead_records on reached.lead_id = lead_records.person_id

),

-- from the last stage to the first: a stage is reached no later than the next one. What is known to the day is earlier
-- than a moment only if its day is over by then
{%- set parts = ['at', 'is_day', 'until'] %}

from_won as (

    select
        *,
        {% for part in parts -%}
        won_seen_{{ part }} as won_from_{{ part }}{{ ',' if not loop.last }}
        {% endfor %}
    from located

),
{%- for stage in (stages[:-1] | reverse | list) %}
{%- set later = stages[stages.index(stage) + 1] %}

from_{{ stage }} as (

    select
        *,
        {% for part in parts -%}
        case
            when {{ stage }}_seen_at is null or {{ later }}_from_until < {{ stage }}_seen_at
                then {{ later }}_from_{{ part }}
            else {{ stage }}_seen_{{ part }}
        end as {{ stage }}_from_{{ part }}{{ ',' if not loop.last }}
        {% endfor %}
    from from_{{ later }}

),
{%- endfor %}

-- who is lost was a lead as well
with_lost as (

    select
        *,
        case when lead_from_at is null or lost_seen_until < lead_from_at then lost_seen_at else lead_from_at end
            as lead_first_at,
        case when lead_from_at is null or lost_seen_until < lead_from_at then lost_seen_is_day else lead_from_is_day end
            as lead_first_is_day
    from from_lead

),

mapped as (

    select
        crm,
        {%- for stage in stages %}
        max(case when stage = '{{ stage }}' then 1 else 0 end) = 1 as is_{{ stage }}_mapped
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from stages_mapped
    group by crm

),

dated as (

    select
        located.lead_id,
        located.crm,
        located.lead_record_key,
        {%- for stage in stages %}
        case
            when mapped.is_{{ stage }}_mapped or located.{{ stage }}_seen_at is not null
                then located.{{ stage }}_{{ 'first' if stage == 'lead' else 'from' }}_at
        end as {{ stage }}_at,
        coalesce(
            (mapped.is_{{ stage }}_mapped or located.{{ stage }}_seen_at is not null)
            and located.{{ stage }}_{{ 'first' if stage == 'lead' else 'from' }}_is_day,
            false
        ) as {{ stage }}_at_is_day,
        located.{{ stage }}_dated_at,
        mapped.is_{{ stage }}_mapped or located.{{ stage }}_seen_at is not null as is_{{ stage }}_mapped,
        {%- endfor %}
        case when located.won_seen_at is null then located.lost_seen_at end as lost_at,
        coalesce(located.won_seen_at is null and located.lost_seen_is_day, false) as lost_at_is_day
    from with_lost as located
    inner join mapped on located.crm = mapped.crm

)

select
    lead_id,
    crm,
    lead_record_key,
    {%- for stage in stages %}
    {{ stage }}_at,
    {{ stage }}_at_is_day,
    coalesce({{ stage }}_dated_at > {{ stage }}_at, {{ stage }}_at is not null) as is_{{ stage }}_filled,
    is_{{ stage }}_mapped,
    {%- endfor %}
    lost_at,
    lost_at_is_day
from dated
