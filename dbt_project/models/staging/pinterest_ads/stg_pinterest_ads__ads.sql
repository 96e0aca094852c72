-- Grain: account_id, ad_id. Where each ad leads; macros are still in it.
select
    account_id,
    id as ad_id,
    name as ad_name,
    destination_url as address
from {{ source('raw_pinterest_ads', 'ads') }}
where destination_url is not null
