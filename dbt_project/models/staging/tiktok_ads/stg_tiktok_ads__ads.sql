-- Grain: account_id, ad_id. Where each ad leads; the tags still have the macros that TikTok fills in.
with source as (

    select * from {{ source('raw_tiktok_ads', 'ads') }}

),

newest as (

    select
        *,
        row_number() over (partition by account_id, ad_id order by modify_time desc, _extracted_at desc) as preference
    from source

)

select
    account_id,
    ad_id,
    ad_name,
    adgroup_name as ad_group_name,
    campaign_name,
    address
from newest
where preference = 1 and address is not null
