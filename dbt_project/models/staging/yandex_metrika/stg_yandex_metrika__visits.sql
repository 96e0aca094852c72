with source as (

    select * from {{ source('raw_yandex_metrika', 'visits') }}

),

countries as (

    select * from {{ ref('countries') }}

),

renamed as (

    select
        ---------- ids
        source.account_id,
        -- a visit's number is its own for a year
        source.date || '-' || source.visit_id as session_id,
        {{ usable_client_id('source.client_id') }} as client_id,
        {{ known('source.direct_campaign_id') }} as direct_campaign_id,

        ---------- dates
        source.date as date_day,
        source.day,

        ---------- origin: the tags, else what Metrica saw; null leaves it to click id and referrer
        coalesce(
            {{ known('source.utm_source') }},
            case source.adv_engine
                when 'ya_direct' then 'yandex'
                when 'google_adwords' then 'google'
                else {{ known('source.adv_engine') }}
            end,
            {{ known('source.search_engine') }},
            {{ known('source.social_network') }},
            {{ known('source.messenger') }}
        ) as vendor_source,
        coalesce(
            {{ known('source.utm_medium') }},
            case
                when source.traffic_source = 'ad' then 'cpc'
                when source.traffic_source in ('messenger', 'recommend') then 'social'
                when source.traffic_source in ('referral', 'direct', 'internal', 'saved', 'undefined') then null
                else {{ known('source.traffic_source') }}
            end
        ) as vendor_medium,
        {{ known('source.utm_campaign') }} as vendor_campaign,

        ---------- strings
        {{ known('source.utm_term') }} as term,
        {{ known('source.utm_content') }} as content,
        {{ known('source.start_url') }} as landing_page_url,
        {{ known('source.referrer') }} as referrer,
        case source.device_category when '1' then 'desktop' when '2' then 'mobile' when '3' then 'tablet' when '4' then 'smart tv' end
            as device,
        countries.country,
        nullif(replace(replace(source.goal_ids, '[', ''), ']', ''), '') as goal_ids,

        ---------- numerics
        source.page_views,
        source.visit_seconds as engagement_seconds,
        case
            when source.goal_ids is null or source.goal_ids = '[]' then 0
            else 1 + length(source.goal_ids) - length(replace(source.goal_ids, ',', ''))
        end as key_events,

        ---------- booleans
        source.is_new_user as is_new_visitor,
        source.is_bounce,
        -- as the other counters mean it: over 10 seconds, two pages or a goal. Metrica's bounce is another measure
        source.visit_seconds > 10 or source.page_views >= 2 or coalesce(source.goal_ids, '[]') != '[]' as is_engaged,

        ---------- timestamps
        source.started_at

    from source
    left join countries on lower(trim(source.country)) = countries.country_name

)

select * from renamed
