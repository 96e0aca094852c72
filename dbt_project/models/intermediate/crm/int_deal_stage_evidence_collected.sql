-- What deals say of the stages of their primary contact. Refunds say nothing.
with deals as (

    select * from {{ ref('int_deals_resolved') }} where is_truth and not is_refund and lead_id is not null

),

-- stages before the opportunity that a business keeps as the first stages of a deal pipeline
early as (

    select * from {{ ref('stage_changes') }} where deal_key is not null

),

outcomes as (

    select
        lead_id,
        min(created_at) as opportunity_at,
        {{ earliest('created_at_is_day', '(created_at, created_at_is_day)') }} as opportunity_at_is_day,
        min(case when status = 'won' then closed_at end) as won_at,
        {{ earliest("case when status = 'won' and closed_at is not null then closed_at_is_day end", '(closed_at, closed_at_is_day)') }}
            as won_at_is_day,
        -- lost only when nothing is open or won any more
        case
            when count(case when status != 'lost' then 1 end) = 0 then max(closed_at)
        end as lost_at,
        {{ latest('case when closed_at is not null then closed_at_is_day end', '(closed_at, closed_at_is_day)') }}
            as lost_at_is_day
    from deals
    group by lead_id

)

select
    deals.lead_id,
    early.stage,
    min(early.reached_at) as reached_at,
    {{ earliest('early.reached_at_is_day', '(early.reached_at, early.reached_at_is_day)') }} as reached_at_is_day
from deals
inner join early on deals.deal_key = early.deal_key
group by deals.lead_id, early.stage

union all

select lead_id, 'opportunity' as stage, opportunity_at as reached_at, opportunity_at_is_day as reached_at_is_day
from outcomes

union all

select lead_id, 'won' as stage, won_at as reached_at, won_at_is_day as reached_at_is_day
from outcomes
where won_at is not null

union all

select lead_id, 'lost' as stage, lost_at as reached_at, lost_at_is_day as reached_at_is_day
from outcomes
where lost_at is not null
