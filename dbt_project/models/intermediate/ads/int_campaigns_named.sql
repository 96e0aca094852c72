-- how a campaign of an ad platform may be called in utm_campaign: by its id, by any name it had, by an alias, or as its own
-- ads' links call it
with campaigns as (

    select * from {{ ref('int_ad_campaigns') }}

),

ads as (

    select * from {{ ref('int_ads_daily') }}

),

aliases as (

    select * from {{ ref('stg_config__campaign_aliases') }}

),

ids as (

    select 'id' as clue, lower(campaign_id) as clue_value, platform, campaign_key
    from campaigns
    where campaign_id is not null

),

name_history as (

    select
        {{ normalise_utm('campaign_name') }} as clue_value,
        platform,
        campaign_key,
        max(date_day) as last_day
    from ads
    where campaign_name is not null
    group by {{ normalise_utm('campaign_name') }}, platform, campaign_key

),

-- campaigns that share a name: the one that bore it last
names as (

    select
        'name' as clue,
        clue_value,
        platform,
        campaign_key,
        row_number() over (partition by clue_value, platform order by last_day desc, campaign_key desc) as preference
    from name_history

),

aliased as (

    select
        'alias' as clue,
        aliases.alias as clue_value,
        aliases.platform,
        coalesce(ids.campaign_key, names.campaign_key) as campaign_key
    from aliases
    left join ids on aliases.platform = ids.platform and aliases.campaign = ids.clue_value
    left join names
        on aliases.platform = names.platform and aliases.campaign = names.clue_value and names.preference = 1

),

linked as (

    select distinct platform, campaign_key, {{ normalise_utm(url_param('final_url', 'utm_campaign')) }} as clue_value
    from (select distinct platform, campaign_key, final_url from ads where final_url like '%utm_campaign=%') as links

),

-- a value that the links of two campaigns share tells neither
links as (

    select 'link' as clue, clue_value, platform, min(campaign_key) as campaign_key
    from linked
    where clue_value is not null
    group by clue_value, platform
    having count(*) = 1

),

clues as (

    select clue, clue_value, platform, campaign_key from ids
    union all
    select clue, clue_value, platform, campaign_key from names where preference = 1
    union all
    select clue, clue_value, platform, campaign_key from aliased where campaign_key is not null
    union all
    select clue, clue_value, platform, campaign_key from links

)

select
    clues.clue,
    clues.clue_value,
    clues.platform,
    clues.campaign_key,
    campaigns.channel,
    count(*) over (partition by clues.clue, clues.clue_value) = 1 as is_only_platform
from clues
inner join campaigns on clues.campaign_key = campaigns.campaign_key
