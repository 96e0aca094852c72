-- Which contact stands for an id today. A merge may be merged again; a loser is gone from HubSpot's answers and
-- lives on only in the survivor's list of merged ids (and, until the next full listing, as an old version of its own).
with recursive contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

listed as (

    select contact_id as survivor_id, {{ explode('merged_contact_ids') }} as loser_id
    from contacts

),

mergers as (

    select distinct trim(loser_id) as loser_id, survivor_id
    from listed
    where trim(loser_id) not in ('', survivor_id)

),

lineage as (

    select loser_id, survivor_id
    from mergers

    union -- not "union all": a circle of merges would never end

    select lineage.loser_id, mergers.survivor_id
    from lineage
    inner join mergers on lineage.survivor_id = mergers.loser_id

),

last_survivors as (

    select lineage.loser_id, min(lineage.survivor_id) as survivor_id
    from lineage
    left join mergers on lineage.survivor_id = mergers.loser_id
    where mergers.loser_id is null
    group by lineage.loser_id

),

all_ids as (

    select contact_id from contacts
    union
    select loser_id as contact_id from last_survivors

)

select
    all_ids.contact_id,
    coalesce(last_survivors.survivor_id, all_ids.contact_id) as survivor_id,
    last_survivors.survivor_id is not null as is_merged,
    survivors.is_archived as is_deleted
from all_ids
left join last_survivors on all_ids.contact_id = last_survivors.loser_id
inner join contacts as survivors on coalesce(last_survivors.survivor_id, all_ids.contact_id) = survivors.contact_id
