with ads as (

    select * from {{ ref('fct_ad_performance') }}

),

motions as (

    select * from {{ ref('stg_config__platform_motions') }}

),

lines as (

    select * from {{ ref('int_cost_lines_spread') }}

),

-- with a source of orders no revenue is 0, without one it is not known
revenue as (

    select count(*) > 0 as is_read
    from {{ ref('stg_meta__subjects') }} as subjects
    inner join {{ ref('stg_meta__switches') }} as streams
        on subjects.source = streams.source and subjects.stream = streams.stream
    where streams.is_on and subjects.subject = 'orders' and subjects.decides

),

media as (

    select
        ads.date_day,
        'ad_platform' as origin,
        ads.platform,
        ads.account_id,
        '(not set)' as line_id,
        '(not set)' as cost_line_key,
        'media' as cost_type,
        coalesce(motions.motion, 'outbound') as motion,
        ads.channel,
        ads.source,
        ads.medium,
        ads.campaign_key,
        ads.currency_code,
        sum(ads.cost_native) as amount_native,
        -- one unconverted part leaves the whole unconverted: a partial sum would look like a low cost
        case when bool_or(ads.is_rate_missing) then null else sum(ads.cost) end as amount,
        case when bool_or(ads.is_rate_missing) then null else sum(ads.cost) end as acquisition_amount,
        bool_or(ads.is_rate_missing) as is_rate_missing
    from ads
    left join motions on ads.platform = motions.platform
    group by
        ads.date_day, ads.platform, ads.account_id, motions.motion, ads.channel, ads.source, ads.medium,
        ads.campaign_key, ads.currency_code

),

ledger as (

    select
        date_day,
        'ledger' as origin,
        '(not set)' as platform,
        account_id,
        line_id,
        cost_line_key,
        cost_type,
        motion,
        channel,
        '(not set)' as source,
        '(not set)' as medium,
        campaign_key,
        currency_code,
        amount_native,
        amount,
        amount * cast(acquisition_share as decimal(9, 8)) as acquisition_amount,
        is_rate_missing
    from lines

),

unioned as (

    select * from media
    union all
    select * from ledger

)

select
    unioned.date_day,
    unioned.origin,
    unioned.platform,
    unioned.account_id,
    unioned.line_id,
    unioned.cost_line_key,
    unioned.cost_type,
    unioned.motion,
    unioned.channel,
    unioned.source,
    unioned.medium,
    unioned.campaign_key,
    unioned.currency_code,
    {{ money('unioned.amount_native') }} as amount_native,
    {{ money('unioned.amount') }} as amount,
    {{ money('unioned.acquisition_amount') }} as acquisition_amount,
    unioned.is_rate_missing,
    revenue.is_read as is_revenue_read
from unioned
cross join revenue
