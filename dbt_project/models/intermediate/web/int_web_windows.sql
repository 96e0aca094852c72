-- what each day of fct_web_traffic is built from: reported sums and how their origins are classified now, or the sessions
with truth as (

    select * from {{ ref('int_web_truth') }}

),

reported_days as (

    select
        source as source_system,
        date_day,
        {{ joined_text("stream || ':' || content_hash", ';', 'stream') }} as content_hash
    from {{ ref('stg_meta__content') }}
    where
        {% for source_name, stream in streams_above('web_days') -%}
        (source = '{{ source_name }}' and stream = '{{ stream }}'){{ ' or ' }}
        {%- endfor %}
        false
    group by source, date_day

),

reported_origins as (

    select
        collected.date_day,
        {{ fingerprint([
            'collected.account_id', 'collected.origin_key', 'classified.channel', 'classified.source', 'classified.medium',
            'classified.campaign', 'classified.campaign_key',
        ]) }} as content_hash
    from {{ ref('int_web_origins_collected') }} as collected
    inner join {{ ref('int_web_origins_classified') }} as classified on collected.origin_key = classified.origin_key
    group by collected.date_day

),

known_sessions as (

    select
        source_system,
        session_date as date_day,
        {{ fingerprint([
            'account_id', 'session_id', 'channel', 'source', 'medium', 'campaign', 'campaign_key', 'term', 'content',
        ] + visit_cuts() + [
            'is_engaged', 'is_new_visitor', 'key_events', 'page_views', 'engagement_seconds', 'session_count',
            'engaged_sessions', 'new_visitors', 'sessions_with_key_event',
        ]) }} as content_hash
    from {{ ref('int_sessions') }}
    where not {{ gives('web_days', 'source_system') }}
    group by source_system, session_date

)

select
    'fct_web_traffic' as model,
    reported_days.date_day,
    reported_days.source_system || ':' || reported_days.content_hash || ':' || coalesce(reported_origins.content_hash, '') as content_hash
from reported_days
inner join truth on reported_days.source_system = truth.web_truth
left join reported_origins on reported_days.date_day = reported_origins.date_day

union all

select
    'fct_web_traffic' as model,
    known_sessions.date_day,
    known_sessions.source_system || ':' || known_sessions.content_hash as content_hash
from known_sessions
inner join truth on known_sessions.source_system = truth.web_truth
