{# Lists and JSON inside a column, as engine.sql does for the rest: one name each, no DuckDB words in models. #}

{# The type of a list of values of one type. #}
{% macro list_type(type) -%}
    {{ return(adapter.dispatch('list_type', 'funnelhouse')(type)) }}
{%- endmacro %}
{% macro duckdb__list_type(type) -%}
    {{ type }}[]
{%- endmacro %}
{# In a select list: one row per element of the list; a row whose list is empty or null disappears. #}
{% macro explode(list) -%}
    {{ return(adapter.dispatch('explode', 'funnelhouse')(list)) }}
{%- endmacro %}
{% macro duckdb__explode(list) -%}
    unnest({{ list }})
{%- endmacro %}

{#
  In a select list: one row per given row, its values as columns. `rows` is a list of {column: expression}, the same
  columns in each; one pass over the table, where a union would take one a row.
#}
{% macro explode_rows(rows) -%}
    {{ return(adapter.dispatch('explode_rows', 'funnelhouse')(rows)) }}
{%- endmacro %}
{% macro duckdb__explode_rows(rows) -%}
    unnest([
        {% for row in rows -%}
        {{ '{' }}{% for column, value in row.items() %}'{{ column }}': {{ value }}{{ ', ' if not loop.last }}{% endfor %}{{ '}' }}{{ ',' if not loop.last }}
        {% endfor %}
    ], recursive := true)
{%- endmacro %}

{# The first value of a list; null where there is none. #}
{% macro first_of(list) -%}
    {{ return(adapter.dispatch('first_of', 'funnelhouse')(list)) }}
{%- endmacro %}
{% macro duckdb__first_of(list) -%}
    {{ list }}[1]
{%- endmacro %}

{# Text to a list of its parts. #}
{% macro split_text(value, separator) -%}
    {{ return(adapter.dispatch('split_text', 'funnelhouse')(value, separator)) }}
{%- endmacro %}
{% macro duckdb__split_text(value, separator) -%}
    string_split({{ value }}, '{{ separator }}')
{%- endmacro %}

{# The text under a name (a column or a literal) of a flat JSON object; null where it is absent. #}
{% macro json_text(json, name) -%}
    {{ return(adapter.dispatch('json_text', 'funnelhouse')(json, name)) }}
{%- endmacro %}
{% macro duckdb__json_text(json, name) -%}
    json_extract_string({{ json }}, concat('$."', {{ name }}, '"'))
{%- endmacro %}
