-- Ids that do not tell people apart, and what is done about them.
with links as (

    select * from {{ ref('int_identity_links') }}

),

records as (

    select * from {{ ref('people') }}

),

submissions as (

    select * from {{ ref('submissions') }}

),

refused as (

    select id_kind, id_value, max(refused_for) as reason
    from links
    where refused_for is not null
    group by id_kind, id_value

),

-- of a refused id everybody counts who was seen with it, whoever has it
shared as (

    select
        refused.id_kind,
        refused.id_value,
        refused.reason,
        count(distinct links.group_id) as people,
        count(distinct links.evidence) as evidence_count,
        min(links.seen_at) as first_seen_at,
        max(links.seen_at) as last_seen_at
    from refused
    inner join links on refused.id_kind = links.id_kind and refused.id_value = links.id_value
    group by refused.id_kind, refused.id_value, refused.reason

),

listed as (

    select {{ explode(split_text('placeholder_ids', ';')) }} as placeholder, created_at as seen_at
    from records
    where placeholder_ids is not null
    union all
    select {{ explode(split_text('placeholder_ids', ';')) }} as placeholder, submitted_at as seen_at
    from submissions
    where placeholder_ids is not null
    union all
    select {{ explode(split_text('placeholder_ids', ';')) }} as placeholder, seen_at
    from {{ ref('placeholders') }}
    where placeholder_ids is not null

),

placeholders as (

    select
        case
            when placeholder like '%client_id=%' then 'client_id'
            else substr(placeholder, 1, instr(placeholder, '=') - 1)
        end as id_kind,
        substr(placeholder, instr(placeholder, '=') + 1) as id_value,
        seen_at
    from listed
    where placeholder is not null

)

select
    id_kind,
    id_value,
    reason,
    case
        when reason = 'two_people' and id_kind = 'client_id' then 'kept_apart_visits_by_time'
        when reason = 'two_people' then 'kept_apart'
        when reason = 'shared_device' then 'only_visits_in_which_somebody_was_seen'
        else 'not_a_link'
    end as action,
    people,
    evidence_count,
    first_seen_at,
    last_seen_at
from shared

union all

select
    id_kind,
    id_value,
    'placeholder' as reason,
    'not_a_link' as action,
    cast(null as bigint) as people,
    count(*) as evidence_count,
    min(seen_at) as first_seen_at,
    max(seen_at) as last_seen_at
from placeholders
group by id_kind, id_value
