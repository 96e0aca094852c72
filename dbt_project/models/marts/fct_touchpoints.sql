with touchpoints as (

    select * from {{ ref('int_touchpoints_unioned') }}

),

leads as (

    select lead_id, sales_rep from {{ ref('fct_leads') }}

),

settings as (

    select reporting_time_zone from {{ ref('stg_config__settings') }}

)

select
    ---------- ids
    touchpoints.touch_id,
    touchpoints.touch_kind,
    touchpoints.visitor_id,
    touchpoints.person_id,
    leads.lead_id,

    ---------- dates
    touchpoints.touched_at,
    {{ reporting_date('touchpoints.touched_at', 'settings.reporting_time_zone') }} as touch_date,

    ---------- cuts
    touchpoints.channel,
    touchpoints.source,
    touchpoints.medium,
    touchpoints.campaign_key,
    coalesce(touchpoints.term, '(not set)') as term,
    coalesce(touchpoints.content, '(not set)') as content,
    {{ cuts_of('touchpoints', visit_cuts() + ['form']) }},
    coalesce(leads.sales_rep, '(not set)') as sales_rep,

    ---------- click ids
    touchpoints.gclid,
    touchpoints.gbraid,
    touchpoints.wbraid,
    touchpoints.fbclid,
    touchpoints.yclid,
    touchpoints.msclkid,
    touchpoints.ttclid,
    touchpoints.li_fat_id,
    touchpoints.dclid,
    touchpoints.twclid,
    touchpoints.sccid,
    touchpoints.epik,
    touchpoints.rdt_cid,

    ---------- what it counts for
    touchpoints.is_fallback

from touchpoints
cross join settings
left join leads on touchpoints.person_id = leads.lead_id
