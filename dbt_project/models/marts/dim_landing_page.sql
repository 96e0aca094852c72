with pages as (

    select landing_page from {{ ref('fct_web_traffic') }}
    union
    select landing_page from {{ ref('fct_web_key_events') }}
    union
    select coalesce(landing_page, '(not set)') as landing_page from {{ ref('int_sessions') }}
    union
    select coalesce(landing_page, '(not set)') as landing_page from {{ ref('int_crm_touches_classified') }}
    union
    select coalesce(landing_page, '(not set)') as landing_page from {{ ref('int_email_clicks_matched') }}
    union
    select member as landing_page from {{ ref('fct_web_visitors') }} where dimension = 'landing_page'
    union
    select '(not set)' as landing_page

)

select
    landing_page,
    -- first folder: /blog/spring-offers belongs to /blog
    case
        when landing_page like '/%' then coalesce(nullif({{ find_match('landing_page', "'^(/[^/]*)'") }}, ''), '/')
        else landing_page
    end as landing_page_section
from pages
