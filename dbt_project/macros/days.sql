{# The reporting day of a moment. `time_zone` is stg_config__settings.reporting_time_zone. #}
{% macro reporting_date(moment, time_zone) -%}
    cast({{ local_time(moment, time_zone) }} as date)
{%- endmacro %}

{# First day of the week that contains `day`; `week_start`: 0 = Monday … 6 = Sunday. #}
{% macro week_start_of(day, week_start) -%}
    cast({{ day }} - cast(({{ iso_day_of_week(day) }} + 6 - {{ week_start }}) % 7 as integer) as date)
{%- endmacro %}

{# First day of the fiscal quarter (3 months) or year (12) that contains `day`; `first_month`: 1 = January … 12. #}
{% macro fiscal_start_of(day, months, first_month) -%}
    {%- set first = "(extract(month from " ~ day ~ ") - (extract(month from " ~ day ~ ") + 12 - " ~ first_month ~ ") % " ~ months ~ ")" -%}
    make_date(
        cast(extract(year from {{ day }}) - case when {{ first }} < 1 then 1 else 0 end as integer),
        cast({{ first }} + case when {{ first }} < 1 then 12 else 0 end as integer),
        1
    )
{%- endmacro %}
