with source as (

    {{ newest_versions(
        source('raw_salesforce', 'opportunities'), 'Id', 'SystemModstamp desc, _extracted_at desc, day desc'
    ) }}

)

select
    Id as opportunity_id,
    OwnerId as owner_id,
    AccountId as company_id,
    nullif(trim(refund_of), '') as refund_of_opportunity_id,
    {{ usable_order_id('order_id') }} as order_id,
    StageName as stage,
    nullif(trim(record_type), '') as pipeline,
    nullif(trim(product), '') as product,
    upper(nullif(trim(CurrencyIsoCode), '')) as currency_code,
    Amount as amount,
    coalesce(IsClosed, false) as is_closed,
    coalesce(IsWon, false) as is_won,
    coalesce(IsDeleted, false) as is_deleted,
    CloseDate as close_day,
    CreatedDate as created_at
from source
