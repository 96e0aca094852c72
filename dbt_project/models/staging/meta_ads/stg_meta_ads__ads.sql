-- Grain: account_id, ad_id. Where each ad leads; the tags still have the macros that Meta fills in.
with source as (

    select * from {{ source('raw_meta_ads', 'ads') }}

),

newest as (

    select *, row_number() over (partition by account_id, id order by updated_time desc, _extracted_at desc) as preference
    from source

)

select
    account_id,
    id as ad_id,
    campaign_name,
    adset_name as ad_group_name,
    name as ad_name,
    case
        when url_tags is null then link
        when link like '%?%' then link || '&' || url_tags
        else link || '?' || url_tags
    end as address
from newest
where preference = 1 and link is not null
