with google_categories as (

    select * from {{ ref('ga4_source_categories') }}

),

overrides as (

    select * from {{ ref('source_category_overrides') }}

),

platform_sources as (

    select * from {{ ref('ad_platform_sources') }}

),

ai_assistants as (

    select host as source from {{ ref('referrer_hosts') }} where type = 'ai_assistant'

),

sources as (

    select source from google_categories
    union
    select source from overrides
    union
    select source from platform_sources
    union
    select source from ai_assistants

)

select
    sources.source,
    coalesce(overrides.category, google_categories.category) as category,
    platform_sources.platform,
    ai_assistants.source is not null as is_ai_assistant
from sources
left join google_categories on sources.source = google_categories.source
left join overrides on sources.source = overrides.source
left join platform_sources on sources.source = platform_sources.source
left join ai_assistants on sources.source = ai_assistants.source
