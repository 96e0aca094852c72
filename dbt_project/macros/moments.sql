{# The type of a moment (UTC inside), and of a wall-clock time that has no zone. #}
{% macro moment_type() -%}
    {{ return(adapter.dispatch('moment_type', 'funnelhouse')()) }}
{%- endmacro %}
{% macro duckdb__moment_type() -%}
    timestamptz
{%- endmacro %}
{% macro wall_clock_type() -%}
    {{ return(adapter.dispatch('wall_clock_type', 'funnelhouse')()) }}
{%- endmacro %}
{% macro duckdb__wall_clock_type() -%}
    timestamp
{%- endmacro %}
{# Days from one moment to another, with their fraction. #}
{% macro days_between(first_moment, second_moment) -%}
    {{ return(adapter.dispatch('days_between', 'funnelhouse')(first_moment, second_moment)) }}
{%- endmacro %}
{% macro duckdb__days_between(first_moment, second_moment) -%}
    ((epoch_us({{ second_moment }}) - epoch_us({{ first_moment }})) / 86400000000.0e0)
{%- endmacro %}

{# Whole days from the earlier day to the later one. #}
{% macro day_difference(later, earlier) -%}
    {{ return(adapter.dispatch('day_difference', 'funnelhouse')(later, earlier)) }}
{%- endmacro %}
{% macro duckdb__day_difference(later, earlier) -%}
    ({{ later }} - {{ earlier }})
{%- endmacro %}

{# A moment some days (a column or a number) later. #}
{% macro add_days(moment, days) -%}
    {{ return(adapter.dispatch('add_days', 'funnelhouse')(moment, days)) }}
{%- endmacro %}
{% macro duckdb__add_days(moment, days) -%}
    ({{ moment }} + to_hours(24 * cast({{ days }} as integer)))
{%- endmacro %}

{#
  What is known to the day only stands at the day's first moment, with a flag `<moment>_is_day` beside it. It has no
  hour: what ends with it ends at the day's last second, and days from or to it are whole days.
#}

{# The last moment that it can have been: of a day without a time the last second of that day in the reporting zone. #}
{% macro end_of_moment(moment, is_day, time_zone) -%}
    case
        when {{ is_day }}
            then {{ moment_of('cast(' ~ reporting_date(moment, time_zone) ~ ' + 1 as ' ~ wall_clock_type() ~ ')', time_zone) }} - interval '1 second'
        else {{ moment }}
    end
{%- endmacro %}

{# Days from one to the other: whole where either is known to the day only, else with their fraction. #}
{% macro days_known_between(first_moment, first_is_day, second_moment, second_is_day, time_zone) -%}
    case
        when {{ first_is_day }} or {{ second_is_day }}
            then cast({{ day_difference(reporting_date(second_moment, time_zone), reporting_date(first_moment, time_zone)) }} as double)
        else {{ days_between(first_moment, second_moment) }}
    end
{%- endmacro %}

{# Clocks differ, and a touch is known to the minute: one minute of grace, the only one there is. #}
{% macro clock_grace() -%}
    interval '1 minute'
{%- endmacro %}

{# The last moment of a touch that counts for what came at `moment`. A day has no minute to be wrong about. #}
{% macro touches_until(moment, is_day, time_zone) -%}
    {{ end_of_moment(moment, is_day, time_zone) }} + case when {{ is_day }} then interval '0 minute' else {{ clock_grace() }} end
{%- endmacro %}
