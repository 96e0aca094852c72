-- Which record stands for a person today. A merge leads from the loser to its master, a conversion from a lead to its contact;
-- all that end at the same record are one person, and the oldest that is not the loser of a merge stands for it: it is the
-- lead from which the person came. A master that nobody sees any more still joins those that lead to it.
with recursive people as (

    select * from {{ ref('stg_salesforce__people') }}

),

steps as (

    select distinct record_id, coalesce(master_id, contact_id) as next_id
    from people
    where coalesce(master_id, contact_id) != record_id

),

lineage as (

    select record_id, next_id
    from steps

    union -- not "union all": a circle of merges would never end

    select lineage.record_id, steps.next_id
    from lineage
    inner join steps on lineage.next_id = steps.record_id

),

ends as (

    select lineage.record_id, min(lineage.next_id) as last_id
    from lineage
    left join steps on lineage.next_id = steps.record_id
    where steps.record_id is null
    group by lineage.record_id

),

grouped as (

    select
        people.record_id,
        people.created_at,
        people.is_deleted,
        people.master_id is not null as is_loser,
        coalesce(ends.last_id, people.record_id) as last_id
    from people
    left join ends on people.record_id = ends.record_id

),

ranked as (

    select
        *,
        first_value(record_id) over (
            partition by last_id order by is_loser, created_at, record_id
            rows between unbounded preceding and unbounded following
        ) as survivor_id,
        min(case when is_deleted then 1 else 0 end) over (partition by last_id) = 1 as is_gone
    from grouped

)

select
    record_id,
    survivor_id,
    last_id,
    record_id != survivor_id as is_merged,
    is_gone as is_deleted
from ranked
