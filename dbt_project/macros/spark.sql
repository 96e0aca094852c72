{#
  What Spark (4.2 or later) says in its own way: the `duckdb__…` of engine.sql, lists.sql and moments.sql once more.
  Every model compiles with these (tests/dbt/test_spark.py); no job of ours has run on Spark yet.
  ANSI mode is off and the session's time zone is UTC.
#}

{# ---- text #}

{% macro spark__full_match(value, pattern) -%}
    ({{ value }} rlike concat('^(?:', {{ spark_pattern(pattern) }}, ')$'))
{%- endmacro %}

{% macro spark__replace_matches(value, pattern, replacement) -%}
    regexp_replace({{ value }}, {{ spark_pattern(pattern) }}, {{ replacement | replace('\\1', '$1') }})
{%- endmacro %}

{# null stays null: Spark, as DuckDB, gives '' where nothing matches. #}
{% macro spark__find_match(value, pattern) -%}
    regexp_extract({{ value }}, {{ spark_pattern(pattern) }}, 1)
{%- endmacro %}

{# A pattern as a literal that keeps its backslashes (and has no doubled quotes), or as it is where it is a column. #}
{% macro spark_pattern(pattern) -%}
    {{ "r'" ~ (pattern[1:-1] | replace("''", '\\x27')) ~ "'" if pattern.startswith("'") else pattern }}
{%- endmacro %}

{% macro spark__decode_url(value) -%}
    try_url_decode(replace({{ value }}, '+', '%2B'))
{%- endmacro %}

{# Spark has no normal forms of its own: the session registers this function. #}
{% macro spark__compose_unicode(value) -%}
    nfc_normalize({{ value }})
{%- endmacro %}

{% macro spark__joined_text(value, separator, order_by) -%}
    listagg({{ value }}, '{{ separator }}') within group (order by {{ order_by }})
{%- endmacro %}

{% macro spark__fingerprint(columns) -%}
    cast(sum(cast(xxhash64({{ columns | join(', ') }}) as decimal(38, 0))) as string)
    || ':' || cast(sum(cast(xxhash64('second', {{ columns | join(', ') }}) as decimal(38, 0))) as string)
{%- endmacro %}

{% macro spark__narrow_key(text) -%}
    md5({{ text }})
{%- endmacro %}

{% macro spark__number_for(text) -%}
    {{ text }}
{%- endmacro %}

{# ---- aggregates and types #}

{% macro spark__earliest(value, by) -%}
    min_by({{ value }}, {{ by }}) filter (where {{ value }} is not null)
{%- endmacro %}

{% macro spark__latest(value, by) -%}
    max_by({{ value }}, {{ by }}) filter (where {{ value }} is not null)
{%- endmacro %}

{% macro spark__try_cast(value, type) -%}
    try_cast({{ value }} as {{ type }})
{%- endmacro %}

{% macro spark__list_type(type) -%}
    array<{{ type }}>
{%- endmacro %}

{% macro spark__moment_type() -%}
    timestamp
{%- endmacro %}

{% macro spark__wall_clock_type() -%}
    timestamp_ntz
{%- endmacro %}

{# ---- moments and days #}

{% macro spark__local_time(moment, time_zone) -%}
    cast(from_utc_timestamp({{ moment }}, {{ time_zone }}) as timestamp_ntz)
{%- endmacro %}

{% macro spark__moment_of(wall_clock, time_zone) -%}
    to_utc_timestamp({{ wall_clock }}, {{ time_zone }})
{%- endmacro %}

{% macro spark__days_between(first_moment, second_moment) -%}
    ((unix_micros({{ second_moment }}) - unix_micros({{ first_moment }})) / 86400000000.0e0)
{%- endmacro %}

{% macro spark__add_days(moment, days) -%}
    ({{ moment }} + make_dt_interval(cast({{ days }} as integer)))
{%- endmacro %}

{% macro spark__day_difference(later, earlier) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{% macro spark__day_series(first, last) -%}
    (select explode(sequence(cast({{ first }} as date), cast({{ last }} as date))) as date_day)
{%- endmacro %}

{% macro spark__iso_day_of_week(day) -%}
    cast(weekday({{ day }}) + 1 as integer)
{%- endmacro %}

{% macro spark__iso_week(day) -%}
    cast(weekofyear({{ day }}) as integer)
{%- endmacro %}

{% macro spark__iso_year(day) -%}
    cast(extract(yearofweek from {{ day }}) as integer)
{%- endmacro %}

{# ---- lists #}

{% macro spark__explode(list) -%}
    explode({{ list }})
{%- endmacro %}

{% macro spark__explode_rows(rows) -%}
    inline(array(
        {% for row in rows -%}
        named_struct({% for column, value in row.items() %}'{{ column }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}){{ ',' if not loop.last }}
        {% endfor %}
    ))
{%- endmacro %}

{% macro spark__first_of(list) -%}
    try_element_at({{ list }}, 1)
{%- endmacro %}

{% macro spark__split_text(value, separator) -%}
    split({{ value }}, r'\Q{{ separator }}\E')
{%- endmacro %}

{% macro spark__json_text(json, name) -%}
    try_variant_get(try_parse_json({{ json }}), concat('$["', {{ name }}, '"]'), 'string')
{%- endmacro %}
