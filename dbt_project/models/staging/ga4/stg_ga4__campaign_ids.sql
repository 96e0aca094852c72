-- GA4 reports a campaign's name and its id in different reports: this joins them, day by day
with campaigns as (

    select
        account_id,
        date_day,
        day,
        vendor_source,
        vendor_medium,
        vendor_campaign,
        vendor_campaign_id,
        sum(sessions) as sessions
    from {{ ref('stg_ga4__campaigns') }}
    where {{ known('vendor_campaign_id') }} is not null
    group by account_id, date_day, day, vendor_source, vendor_medium, vendor_campaign, vendor_campaign_id

),

-- two campaigns of one name on one day cannot be told apart in the traffic report: the larger one speaks for both
ranked as (

    select
        *,
        row_number() over (
            partition by day, account_id, vendor_source, vendor_medium, vendor_campaign
            order by sessions desc, vendor_campaign_id
        ) as preference
    from campaigns

)

select account_id, date_day, day, vendor_source, vendor_medium, vendor_campaign, vendor_campaign_id
from ranked
where preference = 1
