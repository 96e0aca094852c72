{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='stg_meta__windows',
    window_column='date_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('stg_meta__windows') }}"
) }}
{%- set days = days_to_replace('stg_meta__windows') %}
{%- set keys = ['date_day', 'account_id', 'campaign_id', 'currency_code', 'campaign_name', 'campaign_type'] %}
{%- set measures = [
    'impressions', 'clicks', 'cost_native', 'platform_conversions', 'platform_conversions_value_native'
] %}

with reported as (

    select * from {{ ref('ad_days') }} where {{ in_days('day', days) }}

),

campaigns as (

    select * from reported where is_campaign_total

),

-- of a platform that gives no totals the ads are all there is
ads as (

    select * from reported where not is_campaign_total

),

ad_totals as (

    select
        platform,
        date_day,
        account_id,
        campaign_id,
        min(currency_code) as currency_code,
        min(campaign_name) as campaign_name,
        min(campaign_type) as campaign_type,
        {%- for measure in measures %}
        sum({{ measure }}) as {{ measure }},
        {%- endfor %}
        sum(video_views) as video_views
    from ads
    where has_campaign_totals
    group by platform, date_day, account_id, campaign_id

),

-- what the campaign report has and no ad row explains: Performance Max has no ads, removed ads are missing
remainders as (

    select
        coalesce(campaigns.platform, ad_totals.platform) as platform,
        {%- for key in keys %}
        coalesce(campaigns.{{ key }}, ad_totals.{{ key }}) as {{ key }},
        {%- endfor %}
        {%- for measure in measures %}
        coalesce(campaigns.{{ measure }}, 0) - coalesce(ad_totals.{{ measure }}, 0) as {{ measure }},
        {%- endfor %}
        -- a platform that does not count views has not counted none
        case
            when coalesce(campaigns.video_views, ad_totals.video_views) is not null
                then coalesce(campaigns.video_views, 0) - coalesce(ad_totals.video_views, 0)
        end as video_views
    from campaigns
    full outer join ad_totals
        on
            campaigns.platform = ad_totals.platform
            and campaigns.date_day = ad_totals.date_day
            and campaigns.account_id = ad_totals.account_id
            and campaigns.campaign_id = ad_totals.campaign_id

),

unioned as (

    select
        platform,
        {{ keys | join(', ') }},
        ad_group_id,
        ad_group_name,
        ad_id,
        ad_name,
        vendor_source,
        vendor_medium,
        channel as file_channel,
        final_url,
        {{ measures | join(', ') }},
        video_views
    from ads

    union all

    select
        platform,
        {{ keys | join(', ') }},
        '(unallocated)' as ad_group_id,
        '(unallocated)' as ad_group_name,
        '(unallocated)' as ad_id,
        '(unallocated)' as ad_name,
        cast(null as string) as vendor_source,
        cast(null as string) as vendor_medium,
        cast(null as string) as file_channel,
        cast(null as string) as final_url,
        {{ measures | join(', ') }},
        video_views
    from remainders
    where {% for measure in measures %}{{ measure }} != 0 or {% endfor %}coalesce(video_views, 0) != 0

)

select
    platform,
    {{ keys | join(',\n    ') }},
    -- a platform without campaign ids is known by its campaigns' names
    {{ campaign_key('platform', 'campaign_id', 'campaign_name') }} as campaign_key,
    ad_group_id,
    ad_group_name,
    ad_id,
    ad_name,
    vendor_source,
    vendor_medium,
    file_channel,
    final_url,
    cast(impressions as bigint) as impressions,
    cast(clicks as bigint) as clicks,
    cast(video_views as bigint) as video_views,
    {{ money('cost_native') }} as cost_native,
    {{ money('platform_conversions') }} as platform_conversions,
    {{ money('platform_conversions_value_native') }} as platform_conversions_value_native
from unioned
