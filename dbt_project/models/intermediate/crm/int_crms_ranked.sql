-- Who wins where two CRMs know the same person: the order of crm.truth; CRMs that are not named come last.
with settings as (

    select * from {{ ref('stg_config__settings') }}

),

named as (

    select {{ explode(split_text('crm_truth', ',')) }} as crm, crm_truth
    from settings

),

known_crms as (

    {% for source_name in givers('people') -%}
    select '{{ source_name }}' as crm
    union all
    {% endfor -%}
    select cast(null as string) as crm
    where false

)

select
    known_crms.crm,
    cast(row_number() over (
        order by
            case when named.crm is null then 1 else 0 end,
            instr(',' || named.crm_truth || ',', ',' || named.crm || ','),
            known_crms.crm desc
    ) as integer) as crm_rank
from known_crms
left join named on known_crms.crm = trim(named.crm)
