-- When a person first was in each stage or beyond it. Stages that were skipped take the next one's moment; a stage
-- set back and reached again keeps the first moment.
{%- set stages = ['lead', 'mql', 'sal', 'sql', 'opportunity', 'won'] %}
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

    select lead_id, stage, reached_at, false as is_inferred
    from deal_evidence

),

-- the record that first says "lead" made the lead
lead_records as (

    select person_id, record_key, crm
    from truth_evidence
    qualify row_number() over (partition by person_id order by reached_at, record_created_at, record_key) = 1

),

reached as (

    select
        lead_id,
        {%- for stage in stages %}
        min(case when stage = '{{ stage }}' then reached_at end) as {{ stage }}_seen_at,
        min(case when stage = '{{ stage }}' and not is_inferred then reached_at end) as {{ stage }}_dated_at,
        {%- endfor %}
        max(case when stage = 'lost' then reached_at end) as lost_seen_at
    from usable_evidence
    group by lead_id

),

located as (

    select
        reached.*,
        coalesce(lead_records.record_key, people.record_key) as lead_record_key,
        coalesce(lead_records.crm, people.crm) as crm
    from reached
    inner join people on reached.lead_id = people.record_key
    left join lead_records on reached.lead_id = lead_records.person_id

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
                then
                    least(
                        {%- for later in stages[loop.index0:] %}
                        located.{{ later }}_seen_at
                        {%- if not loop.last or stage == 'lead' %},{% endif %}
                        {%- endfor %}
                        {%- if stage == 'lead' %}
                        located.lost_seen_at
                        {%- endif %}
                    )
        end as {{ stage }}_at,
        located.{{ stage }}_dated_at,
        mapped.is_{{ stage }}_mapped or located.{{ stage }}_seen_at is not null as is_{{ stage }}_mapped,
        {%- endfor %}
        case when located.won_seen_at is null then located.lost_seen_at end as lost_at
    from located
    inner join mapped on located.crm = mapped.crm

)

select
    lead_id,
    crm,
    lead_record_key,
    {%- for stage in stages %}
    {{ stage }}_at,
    coalesce({{ stage }}_dated_at > {{ stage }}_at, {{ stage }}_at is not null) as is_{{ stage }}_filled,
    is_{{ stage }}_mapped,
    {%- endfor %}
    lost_at
from dated
