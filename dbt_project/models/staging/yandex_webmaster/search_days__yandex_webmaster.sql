-- Grain: date_day, account_id, cut, query, page, device. The three questions are the three cuts; Yandex names no countries.
{%- set cuts = {'total': 'totals', 'query': 'queries', 'page': 'pages'} %}
{%- for cut, table in cuts.items() %}
{% call as_shape('search_days') %}
select
    'yandex' as engine,
    'web' as search_type,
    '{{ cut }}' as cut,
    day,
    date as date_day,
    account_id,
    {{ 'query' if cut == 'query' else 'cast(null as string)' }} as query,
    {{ 'page' if cut == 'page' else 'cast(null as string)' }} as page,
    {{ normalise_device('device') }} as device,
    shows as impressions,
    clicks,
    {{ money('position * shows') }} as position_sum,
    true as is_final
from {{ source('raw_yandex_webmaster', table) }}
{% endcall %}
{%- if not loop.last %}

union all

{% endif %}
{%- endfor %}
