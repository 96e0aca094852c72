-- The one source of web traffic: named in funnelhouse.yml, else the first one that is on and reports sums, else the first
-- one that gives single sessions, in the order of `vars: sources` (dbt_project.yml).
with settings as (

    select * from {{ ref('stg_config__settings') }}

),

counters as (

    {% for source_name in givers('web_days') + givers('sessions') -%}
    select '{{ source_name }}' as source, {{ loop.index }} as preference
    union all
    {% endfor -%}
    select cast(null as string) as source, 0 as preference
    where false

),

-- a mapping of files is a counter from its first session on
first_counters as (

    select {{ earliest('counters.source', 'counters.preference') }} as source
    from counters
    inner join {{ ref('stg_meta__switches') }} as streams on counters.source = streams.source
    where
        streams.is_on
        and (
            {% for source_name, stream in streams_above('web_days') + streams_above('sessions') -%}
            (streams.source = '{{ source_name }}' and streams.stream = '{{ stream }}'
            {{- ' and streams.has_days' if source_name == 'files' }}) or
            {% endfor -%}
            false
        )

)

select case when settings.web_truth != 'auto' then settings.web_truth else coalesce(first_counters.source, 'none') end as web_truth
from settings
cross join first_counters
