{# The reporting day of a moment. `time_zone` is stg_config__settings.reporting_time_zone. #}
{% macro reporting_date(moment, time_zone) -%}
    cast({{ local_time(moment, time_zone) }} as date)
{%- endmacro %}

{# First day of the week that contains `day`; `week_start`: 0 = Monday … 6 = Sunday. #}
{% macro week_start_of(day, week_start) -%}
    cast({{ day }} - cast(({{ iso_day_of_week(day) }} + 6 - {{ week_start }}) % 7 as integer) as date)
{%- endmacro %}
