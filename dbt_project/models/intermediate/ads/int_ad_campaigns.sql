-- a campaign under its newest name, type and channel
with ads as (

    select * from {{ ref('int_ads_daily') }}

),

types as (

    select * from {{ ref('ad_campaign_types') }}

),

versions as (

    select
        campaign_key,
        platform,
        campaign_id,
        campaign_name,
        campaign_type,
        file_channel,
        max(date_day) as last_day
    from ads
    group by campaign_key, platform, campaign_id, campaign_name, campaign_type, file_channel

),

newest as (

    select
        *,
        row_number() over (
            partition by campaign_key order by last_day desc, campaign_name, campaign_type, campaign_id, file_channel
        ) as preference
    from versions

)

select
    newest.campaign_key,
    newest.platform,
    newest.campaign_id,
    coalesce(newest.campaign_name, newest.campaign_id, '(not set)') as campaign_name,
    newest.campaign_type,
    coalesce(newest.file_channel, types.channel) as channel,
    newest.last_day
from newest
left join types
    on {{ replace_matches("lower(trim(newest.campaign_type))", "'[^[:alnum:]]+'", "'_'") }} = types.campaign_type
where newest.preference = 1
