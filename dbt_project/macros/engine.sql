{#
  What DuckDB says in its own way, behind one name each, so that models stay plain SQL.
  Another engine adds its own `<engine>__…` (spark.sql) and touches no model.
#}

{# Whole value matches the pattern (RE2 and Java syntax agree on what we use). #}
{% macro full_match(value, pattern) -%}
    {{ return(adapter.dispatch('full_match', 'funnelhouse')(value, pattern)) }}
{%- endmacro %}
{% macro duckdb__full_match(value, pattern) -%}
    regexp_full_match({{ value }}, {{ pattern }})
{%- endmacro %}

{# Every match of the pattern replaced. #}
{% macro replace_matches(value, pattern, replacement="''") -%}
    {{ return(adapter.dispatch('replace_matches', 'funnelhouse')(value, pattern, replacement)) }}
{%- endmacro %}
{% macro duckdb__replace_matches(value, pattern, replacement) -%}
    regexp_replace({{ value }}, {{ pattern }}, {{ replacement }}, 'g')
{%- endmacro %}

{# First group of the first match; '' where there is none. #}
{% macro find_match(value, pattern) -%}
    {{ return(adapter.dispatch('find_match', 'funnelhouse')(value, pattern)) }}
{%- endmacro %}
{% macro duckdb__find_match(value, pattern) -%}
    regexp_extract({{ value }}, {{ pattern }}, 1)
{%- endmacro %}

{# Percent-decoded once as UTF-8; null where the bytes are not valid UTF-8. Leaves '+' alone. #}
{% macro decode_url(value) -%}
    {{ return(adapter.dispatch('decode_url', 'funnelhouse')(value)) }}
{%- endmacro %}
{% macro duckdb__decode_url(value) -%}
    try(url_decode({{ value }}))
{%- endmacro %}

{# Unicode normal form C. #}
{% macro compose_unicode(value) -%}
    {{ return(adapter.dispatch('compose_unicode', 'funnelhouse')(value)) }}
{%- endmacro %}
{% macro duckdb__compose_unicode(value) -%}
    nfc_normalize({{ value }})
{%- endmacro %}

{# Aggregates: the value of the row with the smallest (largest) `by`, among rows where the value is not null. #}
{% macro earliest(value, by) -%}
    {{ return(adapter.dispatch('earliest', 'funnelhouse')(value, by)) }}
{%- endmacro %}
{% macro duckdb__earliest(value, by) -%}
    arg_min({{ value }}, {{ by }})
{%- endmacro %}

{% macro latest(value, by) -%}
    {{ return(adapter.dispatch('latest', 'funnelhouse')(value, by)) }}
{%- endmacro %}
{% macro duckdb__latest(value, by) -%}
    arg_max({{ value }}, {{ by }})
{%- endmacro %}

{# Wall-clock time (without zone) of a moment in a zone. #}
{% macro local_time(moment, time_zone) -%}
    {{ return(adapter.dispatch('local_time', 'funnelhouse')(moment, time_zone)) }}
{%- endmacro %}
{% macro duckdb__local_time(moment, time_zone) -%}
    timezone({{ time_zone }}, {{ moment }})
{%- endmacro %}

{# The moment of a wall-clock time in a zone. #}
{% macro moment_of(wall_clock, time_zone) -%}
    {{ return(adapter.dispatch('moment_of', 'funnelhouse')(wall_clock, time_zone)) }}
{%- endmacro %}
{% macro duckdb__moment_of(wall_clock, time_zone) -%}
    timezone({{ time_zone }}, {{ wall_clock }})
{%- endmacro %}

{# Text to a type; null where it cannot be. #}
{% macro try_cast(value, type) -%}
    {{ return(adapter.dispatch('try_cast', 'funnelhouse')(value, type)) }}
{%- endmacro %}
{% macro duckdb__try_cast(value, type) -%}
    try_cast({{ value }} as {{ type }})
{%- endmacro %}

{# One row for each day from `first` to `last`, inclusive: a table expression with the column date_day. #}
{% macro day_series(first, last) -%}
    {{ return(adapter.dispatch('day_series', 'funnelhouse')(first, last)) }}
{%- endmacro %}
{% macro duckdb__day_series(first, last) -%}
    (select cast(moment as date) as date_day from generate_series({{ first }}, {{ last }}, interval 1 day) as days (moment))
{%- endmacro %}

{#
  Aggregate: a text for a set of rows, whatever their order; another one when any value differs, or when rows or
  columns swap values. Each row's hash is hashed once more before they are added: DuckDB's hash of several columns is an
  xor in the last one, so that plain hashes of rows that swap it add up to much the same.
#}
{% macro fingerprint(columns) -%}
    {{ return(adapter.dispatch('fingerprint', 'funnelhouse')(columns)) }}
{%- endmacro %}
{% macro duckdb__fingerprint(columns) -%}
    cast(sum(hash(hash({{ columns | join(', ') }}))) as string)
    || ':' || cast(sum(hash(hash('second', {{ columns | join(', ') }}))) as string)
{%- endmacro %}

{# Aggregate: texts joined in a given order. #}
{% macro joined_text(value, separator, order_by) -%}
    {{ return(adapter.dispatch('joined_text', 'funnelhouse')(value, separator, order_by)) }}
{%- endmacro %}
{% macro duckdb__joined_text(value, separator, order_by) -%}
    string_agg({{ value }}, '{{ separator }}' order by {{ order_by }})
{%- endmacro %}

{# One text out of several columns, where null differs from '' and from its neighbour. #}
{% macro row_key(columns) -%}
    md5(concat_ws(chr(31){% for column in columns %}, coalesce(cast({{ column }} as string), chr(30)){% endfor %}))
{%- endmacro %}

{#
  A text as a key that is narrow and of one size: 16 bytes of two hashes, so that two texts hardly ever share one,
  even among all touches of a company.
  DuckDB sorts and joins by it in a fraction of the memory that texts take.
#}
{% macro narrow_key(text) -%}
    {{ return(adapter.dispatch('narrow_key', 'funnelhouse')(text)) }}
{%- endmacro %}
{% macro duckdb__narrow_key(text) -%}
    (cast(hash({{ text }}) as uhugeint) * 18446744073709551616 + hash(({{ text }}) || '.'))
{%- endmacro %}
{#
  In a select list over distinct texts: something that stands for each and is quick to join and group by. A number where
  the engine counts rows at no cost; where that would bring all rows to one machine, the text itself.
#}
{% macro number_for(text) -%}
    {{ return(adapter.dispatch('number_for', 'funnelhouse')(text)) }}
{%- endmacro %}
{% macro duckdb__number_for(text) -%}
    row_number() over ()
{%- endmacro %}

{# ISO calendar: day of the week (1 = Monday), week of the year, and the year that the week belongs to. #}
{% macro iso_day_of_week(day) -%}
    {{ return(adapter.dispatch('iso_day_of_week', 'funnelhouse')(day)) }}
{%- endmacro %}
{% macro duckdb__iso_day_of_week(day) -%}
    cast(isodow({{ day }}) as integer)
{%- endmacro %}

{% macro iso_week(day) -%}
    {{ return(adapter.dispatch('iso_week', 'funnelhouse')(day)) }}
{%- endmacro %}
{% macro duckdb__iso_week(day) -%}
    cast(weekofyear({{ day }}) as integer)
{%- endmacro %}

{% macro iso_year(day) -%}
    {{ return(adapter.dispatch('iso_year', 'funnelhouse')(day)) }}
{%- endmacro %}
{% macro duckdb__iso_year(day) -%}
    cast(isoyear({{ day }}) as integer)
{%- endmacro %}
