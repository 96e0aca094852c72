-- Grain: date_day, account_id, platform, campaign_id. A campaign may stand in several rows: one for each list or variant.
{%- set counts = [
    'emails_sent', 'emails_delivered', 'unique_opens', 'unique_opens_less_proxies', 'unique_clicks', 'unsubscribes', 'complaints'
] %}
with renamed as (

    select
        day,
        date as date_day,
        account_id,
        coalesce(lower({{ known('platform') }}), account_id) as platform,
        coalesce({{ known('campaign_id') }}, {{ known('campaign') }}, '(not set)') as campaign_id,
        {{ known('campaign') }} as campaign_name,
        emails_sent,
        coalesce(emails_delivered, emails_sent - bounces) as emails_delivered,
        unique_opens,
        unique_opens_less_proxies,
        unique_clicks,
        unsubscribes,
        complaints
    from {{ source('raw_files', 'email_campaigns') }}

)

select
    day,
    date_day,
    account_id,
    platform,
    campaign_id,
    max(campaign_name) as campaign_name,
    {%- for name in counts %}
    -- a row that does not say makes the campaign's count unknown: a part of it would pass for the whole
    case when count({{ name }}) = count(*) then sum({{ name }}) end as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from renamed
group by day, date_day, account_id, platform, campaign_id
