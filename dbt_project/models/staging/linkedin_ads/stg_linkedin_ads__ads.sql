-- Grain: account_id, ad_id. LinkedIn's campaign groups, campaigns and creatives are our campaigns, ad groups and ads.
with source as (

    select * from {{ source('raw_linkedin_ads', 'ads') }}

),

newest as (

    select
        *,
        row_number() over (partition by account_id, id order by last_modified_at desc, _extracted_at desc) as preference
    from source

)

select
    account_id,
    id as ad_id,
    name as ad_name,
    campaign_id as ad_group_id,
    campaign_name as ad_group_name,
    campaign_group_id as campaign_id,
    campaign_group_name as campaign_name,
    campaign_type,
    address
from newest
where preference = 1
