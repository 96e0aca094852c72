{#
  The incremental strategy of the daily tables: delete whole days, insert whole days, in one transaction.

  A model that uses it names a window table (`window_from`; grain: model × date_day, with a content_hash of all that
  the day is built from) and its own day column (`window_column`). Which days to replace is found, not told: those
  whose hash differs from the one they were last built from, those that are new, and those that are gone. So a run
  that failed or was killed heals at the next one, and a backfill needs no arguments.

  What was built is remembered in intermediate.built_days, written in the model's own transaction.
#}

{% macro built_days() -%}
    {{ return(api.Relation.create(database=target.database | default(none), schema='intermediate', identifier='built_days')) }}
{%- endmacro %}

{% macro create_built_days() -%}
    create schema if not exists intermediate;
    create table if not exists {{ built_days() }} (
        model string, date_day date, content_hash string, built_at {{ moment_type() }}
    )
{%- endmacro %}

{# For the model's body: ISO days to build as a list, or none = all (first build, --full-refresh). #}
{% macro days_to_replace(window_from) -%}
    {% set window_table = ref(window_from) -%}
    {% if not execute or not is_incremental() -%}
        {{ return(none) }}
    {%- endif %}
    {{ return(changed_days(window_table)) }}
{%- endmacro %}

{# For the model's body: a literal filter, so that only the Parquet files of these days are opened. #}
{% macro in_days(column, days) -%}
    {%- if days is none -%}
        true
    {%- elif not days -%}
        false
    {%- else -%}
        {{ column }} in ('{{ days | join("', '") }}')
    {%- endif -%}
{%- endmacro %}

{# ISO days whose hash, or the code behind whose model, is not what they were built from. #}
{% macro changed_days(window_table) -%}
    {% set query -%}
        select cast(coalesce(wanted.date_day, built.date_day) as string) as date_day
        from ({{ wanted_days(window_table) }}) as wanted
        full outer join (select * from {{ built_days() }} where model = '{{ model.name }}') as built
            on wanted.date_day = built.date_day
        where wanted.content_hash is distinct from built.content_hash
        order by 1
    {%- endset %}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}

{% macro wanted_days(window_table) -%}
    select date_day, content_hash || ':{{ hash_of_code() }}' as content_hash
    from {{ window_table }}
    where model = '{{ model.name }}'
{%- endmacro %}

{#
  A hash of all code that this model's days come from: its SQL and that of every model above it, the macros that these
  call, and the seeds. A rule that an upgrade changes then holds for old days too, without anybody's --full-refresh.
  Macros are read from dbt's own object behind their name, the one place where a template can see their text.
#}
{% macro hash_of_code() -%}
    {% if not execute -%}
        {{ return('') }}
    {%- endif %}
    {% set code, names, macros = [], [model.unique_id], [] -%}
    {% for name in names if name in graph.nodes -%} {# the list grows while it is walked #}
        {% set node = graph.nodes[name] -%}
        {% do code.append(name ~ (node.raw_code or '') ~ (node.checksum.checksum or '')) -%}
        {% do add_new(names, node.depends_on.get('nodes', [])) -%}
        {% do add_new(macros, node.depends_on.macros) -%}
    {%- endfor %}
    {% for name in macros if name.startswith('macro.' ~ project_name ~ '.') -%}
        {% set macro = context[name.split('.') | last].macro -%}
        {% do code.append(name ~ macro.macro_sql) -%}
        {% do add_new(macros, macro.depends_on.macros) -%}
    {%- endfor %}
    {{ return(local_md5(code | sort | join('|'))) }}
{%- endmacro %}

{% macro add_new(names, more) -%}
    {% for name in more if name not in names -%}
        {% do names.append(name) -%}
    {%- endfor %}
{%- endmacro %}

{% macro get_incremental_replace_window_sql(arg_dict) -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set days = changed_days(ref(config.require('window_from'))) -%}
    delete from {{ arg_dict['target_relation'] }} where {{ in_days(config.require('window_column'), days) }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }};
{%- endmacro %}

{# Post-hook of the models that use the strategy; dbt runs it before it commits. #}
{% macro remember_built_days(window_from) -%}
    delete from {{ built_days() }}
    where
        model = '{{ model.name }}'
        and (date_day, content_hash) not in (select date_day, content_hash from ({{ wanted_days(ref(window_from)) }}));
    insert into {{ built_days() }}
    select '{{ model.name }}', wanted.date_day, wanted.content_hash, current_timestamp
    from ({{ wanted_days(ref(window_from)) }}) as wanted
    left join (select date_day from {{ built_days() }} where model = '{{ model.name }}') as built
        on wanted.date_day = built.date_day
    where built.date_day is null
{%- endmacro %}

{#
  For tests: a literal filter on the days of a model that were built in the last week of building, so that testing
  a long history costs no more every night than a short one. All days after a first build.
#}
{% macro in_days_built_lately(model_name, column) -%}
    {% if not execute -%}
        {{ return('true') }}
    {%- endif %}
    {% set query -%}
        select cast(date_day as string)
        from {{ built_days() }}
        where
            model = '{{ model_name }}'
            and built_at > (select max(built_at) from {{ built_days() }} where model = '{{ model_name }}') - interval 7 days
    {%- endset %}
    {{ return(in_days(column, run_query(query).columns[0].values() | list)) }}
{%- endmacro %}

{# The same for a stream of the raw zone: the days that were written in the last week of extracting. #}
{% macro in_days_extracted_lately(source_name, stream, column) -%}
    {% set days_table = source('raw_meta', 'days') -%}
    {% if not execute -%}
        {{ return('true') }}
    {%- endif %}
    {% set query -%}
        select cast(day as string)
        from {{ days_table }}
        where
            source = '{{ source_name }}'
            and stream = '{{ stream }}'
            and extracted_at > (
                select max(extracted_at)
                from {{ days_table }}
                where source = '{{ source_name }}' and stream = '{{ stream }}'
            ) - interval 7 days
    {%- endset %}
    {{ return(in_days(column, run_query(query).columns[0].values() | list)) }}
{%- endmacro %}
