{{ config(materialized='view') }}
-- a session over midnight is one session, of the moment it began; its origin is that of the first part that has one
with parts as (

    select
        *,
        coalesce(vendor_source, vendor_medium, vendor_campaign, click_id) is null as is_without_origin,
        count(*) over (partition by account_id, session_id) as part_count
    from {{ ref('stg_ga4_export__sessions_daily') }}

),

whole as (

    select * from parts where part_count = 1

),

split as (

    select
        *,
        row_number() over (partition by account_id, session_id order by raw_day) as part_number,
        row_number() over (partition by account_id, session_id order by is_without_origin, raw_day) as origin_preference
    from parts
    where part_count > 1

),

split_totals as (

    select
        account_id,
        session_id,
        min(started_at) as started_at,
        max(case when is_engaged then 1 else 0 end) = 1 as is_engaged,
        cast(sum(key_events) as bigint) as key_events,
        cast(sum(page_views) as bigint) as page_views,
        cast(sum(engagement_seconds) as decimal(18, 3)) as engagement_seconds
    from split
    group by account_id, session_id

),

merged as (

    select
        first_part.raw_day,
        first_part.account_id,
        first_part.session_id,
        first_part.client_id,
        split_totals.started_at,
        origin_part.vendor_source,
        origin_part.vendor_medium,
        origin_part.vendor_campaign,
        origin_part.vendor_campaign_id,
        origin_part.click_id,
        origin_part.term,
        origin_part.content,
        first_part.landing_page,
        coalesce(first_part.gclid, origin_part.gclid) as gclid,
        first_part.gbraid,
        first_part.wbraid,
        first_part.fbclid,
        first_part.yclid,
        first_part.msclkid,
        first_part.ttclid,
        first_part.li_fat_id,
        first_part.dclid,
        first_part.twclid,
        first_part.sccid,
        first_part.epik,
        first_part.rdt_cid,
        first_part.tag_problems,
        first_part.device,
        first_part.country,
        split_totals.is_engaged,
        first_part.is_new_visitor,
        split_totals.key_events,
        split_totals.page_views,
        split_totals.engagement_seconds
    from split as first_part
    inner join split as origin_part
        on
            first_part.account_id = origin_part.account_id
            and first_part.session_id = origin_part.session_id
            and origin_part.origin_preference = 1
    inner join split_totals
        on first_part.account_id = split_totals.account_id and first_part.session_id = split_totals.session_id
    where first_part.part_number = 1

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

sessions as (

    select {{ visit_columns() | join(', ') }}
    from whole
    union all
    select {{ visit_columns() | join(', ') }} from merged

)

{% call as_shape('sessions') %}
select
    sessions.{{ visit_columns() | join(', sessions.') }},
    1 as session_count,
    {{ origin_key(origin_landing_page('sessions.landing_page')) }} as origin_key
from sessions
cross join rules
{% endcall %}
