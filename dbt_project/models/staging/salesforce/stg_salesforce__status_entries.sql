-- Which status a lead got, and when. The first one has no row of history: it is what the first change put an end to, or
-- the status of today, and its moment is that of the lead's making. `is_history`: some change of the lead was tracked.
with leads as (

    select * from {{ ref('stg_salesforce__people') }} where object = 'lead'

),

source as (

    {{ newest_versions(
        source('raw_salesforce', 'lead_history'), 'Id', 'CreatedDate desc, _extracted_at desc, day desc'
    ) }}

),

changes as (

    select LeadId as lead_id, OldValue as status_before, NewValue as status, CreatedDate as entered_at, Id as history_id
    from source
    where Field = 'Status'

),

first_changes as (

    select *
    from changes
    qualify row_number() over (partition by lead_id order by entered_at, history_id) = 1

)

select lead_id, status, entered_at, true as is_history
from changes
where status is not null
union all
select
    leads.record_id as lead_id,
    coalesce(first_changes.status_before, leads.status) as status,
    leads.created_at as entered_at,
    first_changes.lead_id is not null or not leads.is_converted as is_history
from leads
left join first_changes on leads.record_id = first_changes.lead_id
