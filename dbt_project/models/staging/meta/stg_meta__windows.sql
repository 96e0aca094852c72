{{ config(materialized='table') }}
-- what each day-by-day model is built from: a day is built anew when one of its streams has other content
with inputs as (

    {{ window_inputs() }}

),

days as (

    select * from {{ ref('stg_meta__content') }}

),

-- settings that decide what is collected: where they change, all days are collected anew
settings as (

    select
        case when rules.have_landing_page then 'landing_page' else '' end as landing_page_rules,
        {{ row_key(['settings.web_own_domains', 'settings.web_ignored_referrers']) }} as ignored_referrers
    from {{ ref('stg_config__settings') }} as settings
    cross join {{ ref('stg_config__landing_page_rules') }} as rules

)

select
    inputs.model,
    days.date_day,
    md5(
        {{ joined_text("days.source || '/' || days.stream || ':' || days.content_hash", ';', 'days.source, days.stream') }}
        || ';' || max(settings.landing_page_rules)
        || ';' || case when inputs.reads_settings then max(settings.ignored_referrers) else '' end
    ) as content_hash
from inputs
inner join days on inputs.source = days.source and inputs.stream = days.stream
cross join settings
group by inputs.model, inputs.reads_settings, days.date_day
