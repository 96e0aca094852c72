-- Clicks in e-mails with the person, their origin and the session that they started. Clicks of one person in one campaign
-- within half an hour are one: robots that check links open all of them.
{%- set half_an_hour = "interval '30 minutes'" %}
with clicks as (

    select *, {{ mended_address('url') }} as address from {{ ref('email_clicks') }}

),

person_keys as (

    select * from {{ ref('int_person_keys_resolved') }} where key_kind = 'email'

),

sessions as (

    select
        int_sessions.started_at,
        int_sessions.campaign,
        int_sessions.campaign_key,
        {{ session_touch_id('int_sessions') }} as touch_id
    from {{ ref('int_sessions') }} as int_sessions
    inner join {{ ref('int_web_truth') }} as web_truth on int_sessions.source_system = web_truth.web_truth

),

identified as (

    select * from {{ ref('int_sessions_identified') }}

),

-- the address says what the visit will say; a mailer's own names stand where it has no tags
tagged as (

    select
        account_id,
        email_hash,
        clicked_at,
        url,
        coalesce({{ url_param('address', 'utm_source') }}, vendor_source, 'email') as vendor_source,
        coalesce({{ url_param('address', 'utm_medium') }}, vendor_medium, 'email') as vendor_medium,
        coalesce({{ url_param('address', 'utm_campaign') }}, vendor_campaign) as vendor_campaign,
        {{ url_param('address', 'utm_id') }} as vendor_campaign_id,
        -- it was the e-mail that was clicked, whatever ad the address was copied from
        cast(null as string) as click_id,
        {{ url_path('url') }} as landing_page,
        coalesce({{ url_param('address', 'utm_term') }}, term) as term,
        coalesce({{ url_param('address', 'utm_content') }}, content) as content
    from clicks

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

keyed as (

    select tagged.*, {{ origin_key(origin_landing_page('tagged.landing_page')) }} as origin_key
    from tagged
    cross join rules

),

given_origins as (

    select distinct
        {{ origin_columns()[:-1] | join(',\n        ') }},
        {{ origin_landing_page('landing_page') }} as landing_page
    from keyed
    cross join rules

),

origins as (

    select * from {{ classify_origins('given_origins') }} as classified

),

placed as (

    select
        {{ row_key(['keyed.account_id', 'keyed.email_hash', 'keyed.clicked_at', 'keyed.vendor_campaign', 'keyed.url']) }} as click_key,
        keyed.email_hash,
        person_keys.person_id,
        keyed.clicked_at,
        -- no rule knows the medium, but a click in an e-mail it was
        case when origins.channel in ('Unassigned', 'Direct') and origins.channel_basis = 'ga4_rules' then 'Email' else origins.channel end
            as channel,
        origins.source,
        origins.medium,
        origins.campaign,
        origins.campaign_key,
        keyed.term,
        keyed.content,
        keyed.landing_page
    from keyed
    inner join origins on keyed.origin_key = origins.origin_key
    left join person_keys on keyed.email_hash = person_keys.key_value
    -- a file delivered twice
    qualify row_number() over (
        partition by keyed.account_id, keyed.email_hash, keyed.clicked_at, keyed.vendor_campaign, keyed.url
        order by keyed.term, keyed.content
    ) = 1

),

spaced as (

    select
        *,
        lag(clicked_at) over (
            partition by coalesce(person_id, email_hash), campaign_key order by clicked_at, click_key
        ) as clicked_before
    from placed

),

firsts as (

    select * from spaced where clicked_before is null or clicked_at - clicked_before > {{ half_an_hour }}

),

-- a click starts a visit of the same campaign within half an hour; in a visit that is under way it is a part of it
started as (

    select
        firsts.click_key,
        sessions.touch_id
    from firsts
    inner join identified on firsts.person_id = identified.person_id
    inner join sessions
        on
            identified.touch_id = sessions.touch_id
            and sessions.started_at >= firsts.clicked_at - {{ half_an_hour }}
            and sessions.started_at <= firsts.clicked_at + {{ half_an_hour }}
            and (
                (sessions.campaign_key = firsts.campaign_key and sessions.campaign_key != '(not set)')
                or sessions.started_at <= firsts.clicked_at + {{ clock_grace() }}
            )
    qualify row_number() over (
        partition by firsts.click_key
        order by
            case when sessions.campaign_key = firsts.campaign_key then 0 else 1 end,
            abs({{ days_between('sessions.started_at', 'firsts.clicked_at') }}),
            sessions.touch_id
    ) = 1

)

select
    'email_click:' || firsts.click_key as touch_id,
    firsts.email_hash,
    firsts.person_id,
    firsts.clicked_at,
    firsts.channel,
    firsts.source,
    firsts.medium,
    firsts.campaign,
    firsts.campaign_key,
    firsts.term,
    firsts.content,
    firsts.landing_page,
    started.touch_id as session_touch_id
from firsts
left join started on firsts.click_key = started.click_key
