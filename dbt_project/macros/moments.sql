{# Days from one moment to another, with their fraction. #}
{% macro days_between(first_moment, second_moment) -%}
    {{ return(adapter.dispatch('days_between', 'funnelhouse')(first_moment, second_moment)) }}
{%- endmacro %}
{% macro duckdb__days_between(first_moment, second_moment) -%}
    ((epoch_us({{ second_moment }}) - epoch_us({{ first_moment }})) / 86400000000.0)
{%- endmacro %}

{# A moment some days (a column or a number) later. #}
{% macro add_days(moment, days) -%}
    {{ return(adapter.dispatch('add_days', 'funnelhouse')(moment, days)) }}
{%- endmacro %}
{% macro duckdb__add_days(moment, days) -%}
    ({{ moment }} + to_hours(24 * cast({{ days }} as integer)))
{%- endmacro %}
