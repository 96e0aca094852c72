{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='int_raw_windows',
    window_column='date_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('int_raw_windows') }}"
) }}
{%- set days = days_to_replace('int_raw_windows') %}
{%- set keys = ['date_day', 'account_id', 'campaign_id', 'currency_code', 'campaign_name', 'campaign_type'] %}
{%- set measures = [
    'impressions', 'clicks', 'cost_native', 'platform_conversions', 'platform_conversions_value_native'
] %}

with campaigns as (

    select * from {{ ref('stg_google_ads__campaigns_daily') }} where {{ in_days('day', days) }}

),

ads as (

    select * from {{ ref('stg_google_ads__ads_daily') }} where {{ in_days('day', days) }}

),

file_rows as (

    select * from {{ ref('stg_files__ad_costs') }} where {{ in_days('day', days) }}

),

ad_totals as (

    select
        date_day,
        account_id,
        campaign_id,
        min(currency_code) as currency_code,
        min(campaign_name) as campaign_name,
        min(campaign_type) as campaign_type,
        {%- for measure in measures %}
        sum({{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from ads
    group by date_day, account_id, campaign_id

),

-- what the campaign report has and no ad row explains: Performance Max has no ads, removed ads are missing
remainders as (

    select
        {%- for key in keys %}
        coalesce(campaigns.{{ key }}, ad_totals.{{ key }}) as {{ key }},
        {%- endfor %}
        {%- for measure in measures %}
        coalesce(campaigns.{{ measure }}, 0) - coalesce(ad_totals.{{ measure }}, 0) as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from campaigns
    full outer join ad_totals
        on
            campaigns.date_day = ad_totals.date_day
            and campaigns.account_id = ad_totals.account_id
            and campaigns.campaign_id = ad_totals.campaign_id

),

google_ads as (

    select
        'google_ads' as platform,
        {{ keys | join(', ') }},
        ad_group_id,
        ad_group_name,
        ad_id,
        ad_name,
        cast(null as varchar) as vendor_source,
        cast(null as varchar) as vendor_medium,
        cast(null as varchar) as file_channel,
        {{ measures | join(', ') }}
    from ads

    union all

    select
        'google_ads' as platform,
        {{ keys | join(', ') }},
        '(unallocated)' as ad_group_id,
        '(unallocated)' as ad_group_name,
        '(unallocated)' as ad_id,
        '(unallocated)' as ad_name,
        cast(null as varchar) as vendor_source,
        cast(null as varchar) as vendor_medium,
        cast(null as varchar) as file_channel,
        {{ measures | join(', ') }}
    from remainders
    where {% for measure in measures %}{{ measure }} != 0{{ ' or ' if not loop.last }}{% endfor %}

),

-- a file may hold several rows of what is one ad to us
files as (

    select
        platform,
        date_day,
        account_id,
        campaign_id,
        currency_code,
        campaign_name,
        max(campaign_type) as campaign_type,
        ad_group_id,
        ad_group_name,
        ad_id,
        ad_name,
        vendor_source,
        vendor_medium,
        channel as file_channel,
        {%- for measure in measures %}
        sum({{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from file_rows
    group by
        platform, date_day, account_id, campaign_id, currency_code, campaign_name, ad_group_id, ad_group_name, ad_id,
        ad_name, vendor_source, vendor_medium, channel

),

unioned as (

    select * from google_ads
    union all
    select * from files

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
    cast(impressions as bigint) as impressions,
    cast(clicks as bigint) as clicks,
    {{ money('cost_native') }} as cost_native,
    {{ money('platform_conversions') }} as platform_conversions,
    {{ money('platform_conversions_value_native') }} as platform_conversions_value_native
from unioned
