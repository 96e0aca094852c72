-- Grain: account_id, ad_id. Where each ad leads; the tags still have the macros that Direct fills in.
select
    account_id,
    id as ad_id,
    campaign_name,
    ad_group_name,
    address
from {{ source('raw_yandex_direct', 'ads') }}
where address is not null
