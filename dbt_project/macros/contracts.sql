{#
  Whether a model is built anew as a whole, in place of dbt's own answer (--full-refresh, or the model's config).

  An incremental table whose contract names other columns or types than the table has is built anew: adding to it would
  leave the old columns, or cast new values to old types in silence, and nobody types --full-refresh at night.
#}
{% macro should_full_refresh() -%}
    {% set asked = config.get('full_refresh') if config.get('full_refresh') is not none else flags.FULL_REFRESH -%}
    {{ return(asked or has_other_columns_than_promised()) }}
{%- endmacro %}

{% macro has_other_columns_than_promised() -%}
    {% if not execute or model.config.materialized != 'incremental' or not model.config.contract.enforced -%}
        {{ return(false) }}
    {%- endif -%}
    {% set existing = load_cached_relation(this) -%}
    {% if existing is none -%}
        {{ return(false) }}
    {%- endif -%}
    {% set there = format_columns(adapter.get_columns_in_relation(existing)) | map(attribute='formatted') | list -%}
    {% set promised = get_column_schema_from_query(get_empty_schema_sql(model['columns'])) -%}
    {{ return(there != format_columns(promised) | map(attribute='formatted') | list) }}
{%- endmacro %}

{#
  dbt's check of a contract in one query instead of two, and without its loop over all pairs of columns (0.1 s a table of
  CPU): where the columns are not the promised ones word for word, dbt's own check decides, and says which differ.
#}
{% macro duckdb__get_assert_columns_equivalent(sql) -%}
    {% set given, promised = [], [] -%}
    {% for column in get_column_schema_from_query(sql, config.get('sql_header', none)) -%}
        {% do given.append((column.name ~ ' ' ~ column.dtype) | lower) -%}
    {%- endfor %}
    {% for column in model['columns'].values() -%}
        {% do promised.append((column['name'] ~ ' ' ~ column['data_type']) | lower) -%}
    {%- endfor %}
    {% if given | sort != promised | sort -%}
        {{ return(assert_columns_equivalent(sql)) }}
    {%- endif -%}
{%- endmacro %}
