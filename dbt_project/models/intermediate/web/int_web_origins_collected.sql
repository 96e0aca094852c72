{{ config(
    materialized='incremental',
    incremental_strategy='replace_window',
    window_from='int_raw_windows',
    window_column='date_day',
    on_schema_change='sync_all_columns',
    post_hook="{{ remember_built_days('int_raw_windows') }}"
) }}
{%- set days = days_to_replace('int_raw_windows') %}

with rules as (

    select * from {{ ref('int_landing_page_rules') }}

),

reported as (

    {% for model in ['stg_ga4__traffic', 'stg_ga4__key_events'] -%}
    select
        reported.account_id,
        reported.date_day,
        reported.vendor_source,
        reported.vendor_medium,
        reported.vendor_campaign,
        {{ origin_landing_page('reported.landing_page') }} as landing_page
    from {{ ref(model) }} as reported
    cross join rules
    where {{ in_days('reported.day', days) }}
    {% if not loop.last %}union{% endif %}
    {% endfor %}
),

campaign_ids as (

    select *
    from {{ ref('int_ga4_campaign_ids') }}
    where {{ in_days('day', days) }}

),

origins as (

    select
        reported.account_id,
        reported.date_day,
        reported.vendor_source,
        reported.vendor_medium,
        reported.vendor_campaign,
        campaign_ids.vendor_campaign_id,
        cast(null as varchar) as click_id,
        reported.landing_page
    from reported
    left join campaign_ids
        on
            reported.date_day = campaign_ids.date_day
            and reported.account_id = campaign_ids.account_id
            and reported.vendor_source is not distinct from campaign_ids.vendor_source
            and reported.vendor_medium is not distinct from campaign_ids.vendor_medium
            and reported.vendor_campaign is not distinct from campaign_ids.vendor_campaign

)

select
    date_day,
    account_id,
    {{ origin_key() }} as origin_key,
    {{ origin_columns() | join(',\n    ') }}
from origins
