-- Grain: date_day, click_id.
select day, date_day, account_id, 'gclid' as click_id_name, gclid as click_id, campaign_id, ad_group_id, ad_id
from {{ ref('stg_google_ads__clicks') }}
