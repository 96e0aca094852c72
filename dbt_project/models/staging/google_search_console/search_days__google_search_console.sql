-- Grain: date_day, account_id, search_type, cut, query, page, country, device. The three questions are the three cuts.
{%- set cuts = {'total': 'totals', 'query': 'queries', 'page': 'pages'} %}
{%- for cut, table in cuts.items() %}
select
    'google' as engine,
    '{{ cut }}' as cut,
    day,
    date as date_day,
    account_id,
    search_type,
    {{ 'query' if cut == 'query' else 'cast(null as string)' }} as query,
    {{ 'page' if cut == 'page' else 'cast(null as string)' }} as page,
    {{ country_of_alpha3('country') }} as country,
    {{ normalise_device('device') }} as device,
    clicks,
    impressions,
    {{ money('position * impressions') }} as position_sum,
    is_final
from {{ source('raw_google_search_console', table) }}
{%- if not loop.last %}

union all

{% endif %}
{%- endfor %}
