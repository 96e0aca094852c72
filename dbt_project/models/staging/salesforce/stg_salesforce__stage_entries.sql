-- When an opportunity entered a stage, each time. Salesforce keeps a row for each change of amount or close date, too, with the
-- stage that the opportunity had then: only a stage that differs from the one before was entered.
with source as (

    {{ newest_versions(
        source('raw_salesforce', 'opportunity_history'), 'Id', 'SystemModstamp desc, _extracted_at desc, day desc'
    ) }}

),

ordered as (

    select
        OpportunityId as opportunity_id,
        StageName as stage,
        CreatedDate as entered_at,
        lag(StageName) over (partition by OpportunityId order by CreatedDate, Id) as stage_before
    from source

)

select opportunity_id, stage, entered_at
from ordered
where stage_before is null or stage_before != stage
