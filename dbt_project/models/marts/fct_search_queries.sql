-- Grain: date_day, source_system, account_id, search_type, query, country, device. What the queries do not explain of the
-- engine's totals is the query '(withheld)', so that rows add up to what the engine counts.
with days as (

    select * from {{ ref('search_days') }} where cut in ('total', 'query')

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

added_up as (

    select
        date_day,
        source_system,
        account_id,
        engine,
        search_type,
        cut,
        case when cut = 'query' then lower(query) end as query,
        coalesce(country, '(not set)') as country,
        coalesce(device, '(not set)') as device,
        cast(sum(clicks) as bigint) as clicks,
        cast(sum(impressions) as bigint) as impressions,
        {{ money('sum(position_sum)') }} as position_sum,
        min(case when is_final then 1 else 0 end) = 1 as is_final
    from days
    group by all

),

explained as (

    select
        date_day,
        source_system,
        account_id,
        search_type,
        country,
        device,
        sum(clicks) as clicks,
        sum(impressions) as impressions,
        sum(position_sum) as position_sum
    from added_up
    where cut = 'query'
    group by all

),

withheld as (

    select
        totals.date_day,
        totals.source_system,
        totals.account_id,
        totals.engine,
        totals.search_type,
        totals.country,
        totals.device,
        totals.is_final,
        '(withheld)' as query,
        cast(totals.clicks - coalesce(explained.clicks, 0) as bigint) as clicks,
        cast(totals.impressions - coalesce(explained.impressions, 0) as bigint) as impressions,
        {{ money('totals.position_sum - coalesce(explained.position_sum, 0)') }} as position_sum
    from added_up as totals
    left join explained
        on
            totals.date_day = explained.date_day
            and totals.source_system = explained.source_system
            and totals.account_id = explained.account_id
            and totals.search_type = explained.search_type
            and totals.country = explained.country
            and totals.device = explained.device
    where totals.cut = 'total'

),

unioned as (

    select
        date_day, source_system, account_id, engine, search_type, query, country, device, clicks, impressions, position_sum,
        is_final, false as is_withheld
    from added_up
    where cut = 'query'

    union all

    select
        date_day, source_system, account_id, engine, search_type, query, country, device, clicks, impressions, position_sum,
        is_final, true as is_withheld
    from withheld
    where clicks != 0 or impressions != 0

)

select
    unioned.date_day,
    unioned.source_system,
    unioned.account_id,
    unioned.engine,
    unioned.search_type,
    unioned.query,
    unioned.country,
    unioned.device,
    case
        when not unioned.is_withheld then {{ full_match(normalise_answer('unioned.query'), 'settings.brand_pattern') }}
    end as is_brand,
    unioned.is_withheld,
    unioned.clicks,
    unioned.impressions,
    unioned.position_sum,
    unioned.is_final
from unioned
cross join settings
