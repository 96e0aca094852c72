-- cost that no ad platform reports, from funnelhouse.yml and from files, with its campaign and channel resolved
{%- set said = [
    'line_id', 'start_date', 'end_date', 'currency_code', 'cost_type', 'motion', 'channel', 'campaign', 'amount_native',
    'acquisition_share',
] %}
with lines as (

    select 'funnelhouse.yml' as account_id, 1 as copy_number, {{ said | join(', ') }}
    from {{ ref('stg_config__ledger') }}
    union all
    select account_id, copy_number, {{ said | join(', ') }}
    from {{ ref('cost_lines') }}

),

channels as (

    select * from {{ ref('int_channels') }}

),

known_campaigns as (

    select * from {{ ref('int_ad_campaigns') }}

),

keyed as (

    select
        lines.*,
        cast(null as string) as vendor_source,
        cast(null as string) as vendor_medium,
        lines.campaign as vendor_campaign,
        cast(null as string) as vendor_campaign_id,
        cast(null as string) as click_id,
        cast(null as string) as landing_page
    from lines

),

with_origin_keys as (

    select *, {{ origin_key() }} as origin_key from keyed

),

origins as (

    select * from {{ classify_origins('with_origin_keys') }} as classified

)

select
    {{ row_key([
        'lines.account_id', 'lines.line_id', 'lines.copy_number', 'lines.start_date', 'lines.end_date', 'lines.cost_type',
        'lines.motion', 'lines.channel', 'lines.campaign',
    ]) }} as cost_line_key,
    lines.account_id,
    lines.line_id,
    lines.start_date,
    greatest(lines.end_date, lines.start_date) as end_date,
    coalesce(lines.currency_code, '(not set)') as currency_code,
    lines.cost_type,
    -- what a line does not say: media pushes, everything else attracts
    coalesce(lines.motion, case when lines.cost_type = 'media' then 'outbound' else 'inbound' end) as motion,
    coalesce(channels.channel, lines.channel, known_campaigns.channel, '(not set)') as channel,
    origins.campaign_key,
    lines.amount_native,
    lines.acquisition_share
from with_origin_keys as lines
inner join origins on lines.origin_key = origins.origin_key
left join channels on lower(trim(lines.channel)) = lower(channels.channel)
left join known_campaigns on origins.campaign_key = known_campaigns.campaign_key
