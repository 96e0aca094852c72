{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='stg_meta__windows',
    window_column='date_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('stg_meta__windows') }}"
) }}
{%- set days = days_to_replace('stg_meta__windows') %}

with rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

reported as (

    select date_day, account_id, vendor_source, vendor_medium, vendor_campaign, vendor_campaign_id, landing_page
    from {{ ref('web_days') }}
    where {{ in_days('day', days) }}

    union all

    select
        raw_day as date_day,
        account_id,
        vendor_source,
        vendor_medium,
        vendor_campaign,
        vendor_campaign_id,
        landing_page
    from {{ ref('key_events') }}
    where {{ in_days('day', days) }} and has_own_origin

),

origins as (

    select distinct
        reported.account_id,
        reported.date_day,
        reported.vendor_source,
        reported.vendor_medium,
        reported.vendor_campaign,
        reported.vendor_campaign_id,
        cast(null as string) as click_id,
        {{ origin_landing_page('reported.landing_page') }} as landing_page
    from reported
    cross join rules

)

select
    date_day,
    account_id,
    {{ origin_key() }} as origin_key,
    {{ origin_columns() | join(',\n    ') }}
from origins
