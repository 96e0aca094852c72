{#
  A moment falls in the session that began last before it, if that was at most four hours earlier: GA4 ends a session
  after 30 idle minutes and gives only its first minute, so a later submission may still belong to it, but a visit of
  yesterday does not explain today's form. Clocks that differ have their grace.
  Take the latest session for which this holds.
#}
{% macro falls_in_session(moment, started_at) -%}
    ({{ started_at }} <= {{ moment }} + {{ clock_grace() }} and {{ started_at }} >= {{ moment }} - interval '4 hours')
{%- endmacro %}

{# Id of a session as a touch. #}
{% macro session_touch_id(relation) -%}
    'session:' || {{ relation }}.account_id || ':' || {{ relation }}.session_id
{%- endmacro %}

{# What every counter of single visits collects of one: all that the shape `sessions` has but counts of several and the key of its origin. #}
{% macro visit_columns() -%}
    {{ return(
        ['raw_day', 'account_id', 'session_id', 'client_id', 'started_at', 'vendor_source', 'vendor_medium', 'vendor_campaign',
        'vendor_campaign_id', 'click_id', 'term', 'content', 'landing_page']
        + click_id_names() + address_click_id_names()
        + ['tag_problems', 'device', 'country', 'is_engaged', 'is_new_visitor', 'key_events', 'page_views', 'engagement_seconds']
    ) }}
{%- endmacro %}

{#
  A shape `sessions` from single visits with their landing URL and referrer, as files and counters give them. Origin: what the
  visit's row says; else click id and UTM of the landing URL; else the referrer; else nothing (direct). `campaign_id` is the
  expression for the campaign's id, over `sessions`; `counts` what `visits` have where a row stands for several.
#}
{% macro sessions_of_visits(visits, days, campaign_id='sessions.utm_id', counts=none) -%}
with given as (

    select *, {{ mended_address('landing_page_url') }} as landing_address
    from {{ visits }}
    where {{ in_days('day', days) }}

),

sessions as (

    select
        *,
        vendor_source is not null or vendor_medium is not null as is_origin_given,
        {{ url_param('landing_address', 'utm_source') }} as utm_source,
        {{ url_param('landing_address', 'utm_medium') }} as utm_medium,
        {{ url_param('landing_address', 'utm_campaign') }} as utm_campaign,
        {{ url_param('landing_address', 'utm_id') }} as utm_id,
        {{ url_param('landing_address', 'utm_term') }} as utm_term,
        {{ url_param('landing_address', 'utm_content') }} as utm_content,
        {{ usable_id(rare_url_param('landing_address', 'srsltid')) }} as srsltid,
        {{ landing_columns('landing_address', 'landing_page_url') }},
        {{ url_host('landing_page_url') }} as landing_host,
        {{ url_host('referrer') }} as referrer_host
    from given

),

referrers as (

    select * from {{ resolve_referrers('sessions') }} as resolved

),

rules as (

    select * from {{ ref('stg_config__landing_page_rules') }}

),

collected as (

    select
        cast(sessions.day as date) as raw_day,
        sessions.account_id,
        sessions.session_id,
        sessions.client_id,
        sessions.started_at,
        case
            when sessions.is_origin_given then sessions.vendor_source
            when sessions.utm_source is not null or sessions.utm_medium is not null then sessions.utm_source
            else referrers.source
        end as vendor_source,
        case
            when sessions.is_origin_given then sessions.vendor_medium
            when sessions.utm_source is not null or sessions.utm_medium is not null then sessions.utm_medium
            else referrers.medium
        end as vendor_medium,
        coalesce(sessions.vendor_campaign, sessions.utm_campaign) as vendor_campaign,
        {{ campaign_id }} as vendor_campaign_id,
        case
            when not sessions.is_origin_given then {{ click_id_of('sessions', landing_click_ids() + ['srsltid']) }}
        end as click_id,
        coalesce(sessions.term, sessions.utm_term) as term,
        coalesce(sessions.content, sessions.utm_content) as content,
        sessions.landing_page,
        {% for name in click_id_names() + address_click_id_names() -%}
        sessions.{{ name }},
        {% endfor -%}
        sessions.tag_problems,
        sessions.device,
        sessions.country,
        coalesce(sessions.is_engaged, false) as is_engaged,
        sessions.is_new_visitor,
        sessions.key_events,
        {% for count in counts or [] -%}
        sessions.{{ count }},
        {% endfor -%}
        sessions.page_views,
        cast(sessions.engagement_seconds as decimal(18, 3)) as engagement_seconds
    from sessions
    left join referrers
        on
            sessions.referrer_host = referrers.referrer_host
            and sessions.referrer_host is distinct from sessions.landing_host

)

{% call as_shape('sessions') %}
select
    collected.{{ visit_columns() | join(', collected.') }},
    {{ 'collected.' ~ counts | join(', collected.') if counts else '1 as session_count' }},
    {{ origin_key(origin_landing_page('collected.landing_page')) }} as origin_key
from collected
cross join rules
{% endcall %}
{%- endmacro %}
