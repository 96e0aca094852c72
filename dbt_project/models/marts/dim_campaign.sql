with ad_campaigns as (

    select * from {{ ref('int_ad_campaigns') }}

),

-- campaigns that no ad platform knows: they live in UTM tags only
utm_keys as (

    select campaign_key from {{ ref('int_web_origins_classified') }}
    union
    select campaign_key from {{ ref('int_sessions') }}
    union
    select campaign_key from {{ ref('int_tags_classified') }}
    union
    select campaign_key from {{ ref('int_crm_touches_classified') }}
    union
    select campaign_key from {{ ref('int_email_clicks_matched') }}
    union
    select campaign_key from {{ ref('int_cost_lines') }}
    union
    select member as campaign_key from {{ ref('int_web_visitors_reported') }} where dimension = 'campaign'

),

own_campaigns as (

    select
        campaign_key,
        cast(null as string) as platform,
        cast(null as string) as campaign_id,
        {{ replace_matches('campaign_key', "'^utm:'") }} as campaign_name,
        cast(null as string) as channel_type
    from utm_keys
    where campaign_key like 'utm:%'

),

unknown as (

    select
        member as campaign_key,
        cast(null as string) as platform,
        cast(null as string) as campaign_id,
        member as campaign_name,
        cast(null as string) as channel_type
    from (values ('(not set)'), ('(unattributed)')) as members (member)

)

select
    campaign_key,
    platform,
    campaign_id,
    campaign_name,
    campaign_type as channel_type
from ad_campaigns

union all

select * from own_campaigns

union all

select * from unknown
