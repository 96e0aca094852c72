-- Why two are one: each CRM record, submission, visit, login and purchase with each of its ids, whose both are, and what ties them.
with evidence as (

    select * from {{ ref('int_identity_evidence') }}

),

joined as (

    select * from {{ ref('int_identity_joined') }}

),

groups as (

    select distinct evidence, evidence_root, linked_by_kind, linked_by_value from joined

),

-- a group without a record, an e-mail, a phone or a login is a browser, nobody in particular
people as (

    select distinct id_root as group_id, true as is_somebody
    from joined
    where id_kind in ('email', 'phone', 'user_id') or id_root like 'record:%'

),

grouped as (

    select
        evidence.*,
        -- all ids of the evidence may be quarantined: then it is tied to nothing
        coalesce(groups.evidence_root, evidence.evidence) as group_id,
        groups.linked_by_kind,
        groups.linked_by_value,
        joined.id_root as id_group_id,
        coalesce(joined.is_link, false) as is_link
    from evidence
    left join groups on evidence.evidence = groups.evidence
    left join joined
        on
            evidence.evidence = joined.evidence
            and evidence.id_kind = joined.id_kind
            and evidence.id_value = joined.id_value

)

select
    grouped.evidence,
    grouped.evidence_kind,
    grouped.evidence_at,
    grouped.group_id,
    case when grouped.group_id like 'record:%' then substr(grouped.group_id, 8) end as person_id,
    coalesce(people.is_somebody, grouped.group_id like 'record:%') as is_somebody,
    grouped.id_kind,
    grouped.id_value,
    grouped.seen_at,
    grouped.is_link,
    case when grouped.id_group_id like 'record:%' then substr(grouped.id_group_id, 8) end as id_person_id,
    case
        when grouped.quarantined_for is not null then grouped.quarantined_for
        when not grouped.is_link then 'two_people'
    end as refused_for,
    grouped.linked_by_kind,
    grouped.linked_by_value
from grouped
left join people on grouped.group_id = people.group_id
