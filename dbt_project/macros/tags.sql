{#
  What is wrong with tags as people wrote them: (name, SQL condition) pairs, worst first. One row of seed `tag_findings`
  each. The normalised value mends most of them; reports that do not normalise show each spelling as its own.
#}

{# A raw UTM value. null and the vendor's own words in brackets have no problems. #}
{% macro value_problems(value) -%}
    {{ return([
        ('unexpanded_macro', full_match(value, "'(?s).*([{][^{}]*[}]|__[A-Z0-9_]+__|%%[A-Za-z_]+%%).*'")),
        ('broken_encoding', full_match(value, "'(?s).*(%[0-9A-Fa-f]{2}).*'") ~ " and " ~ decode_url(value) ~ " is null or "
            ~ full_match(value, "'(?s).*(%u[0-9A-Fa-f]{4}|\\x{FFFD}).*'")),
        ('double_encoding', full_match(value, "'(?s).*(%[0-9A-Fa-f]{2}).*'") ~ " and " ~ decode_url(value) ~ " is not null"),
        ('placeholder', "lower(trim(" ~ value ~ ")) in ('undefined', 'null', 'none', 'nan', 'n/a', 'todo')"),
        ('invisible_characters', strip_invisible(value) ~ " != " ~ value),
        ('spaces', full_match(strip_invisible(value), "'(?s).*[\\s\\x{00A0}].*'")),
        ('upper_case', "lower(" ~ value ~ ") != " ~ value),
    ]) }}
{%- endmacro %}

{# Names of the problems of a landing URL's UTM parameters, with ';' between; null where there are none. #}
{% macro url_problems(url) -%}
    {%- set plain = "replace(replace(" ~ url ~ ", '&#038;', '&'), '&#38;', '&')" -%}
    {%- set conditions = [
        (full_match(url, "'(?s).*[?&#;](utm_[a-z]*[A-Z]|[uU][tT]M|[uU]T[mM]|U[tT][mM])[A-Za-z_]*=.*'"), 'parameter_upper_case'),
        (full_match(url, "'(?is).*(amp|[&#]+0*38|[&#]+x0*26)(;|%3b)utm_.*|.*[?&]amputm_.*'"), 'html_entity'),
        (
            full_match(plain, "'(?is)[^#]*#.*utm_[a-z]+=.*'") ~ " and not " ~ full_match(plain, "'(?is)[^#]*[?&]utm_[a-z]+=.*'"),
            'after_fragment',
        ),
    ] -%}
    {%- set repeated = [] -%}
    {%- for name in ['source', 'medium', 'campaign', 'term', 'content'] -%}
        {%- set one = "[?&#;]utm_" ~ name ~ "=" -%}
        {%- do repeated.append(full_match(url, "'(?is).*" ~ one ~ ".*" ~ one ~ ".*'")) -%}
    {%- endfor -%}
    {%- do conditions.append((repeated | join(' or '), 'repeated_parameter')) -%}
    case when lower({{ url }}) like '%utm%' then nullif({{ quality_flags(conditions) }}, 'ok') end
{%- endmacro %}

{# In a select list: where a row of an export says itself that it came from. #}
{% macro named_origin(relation) -%}
    {{ known(relation ~ '.channel') }} as channel
    {%- for tag in ['source', 'medium', 'campaign', 'term', 'content'] %},
    {{ known(relation ~ '.' ~ tag) }} as utm_{{ tag }}
    {%- endfor %}
{%- endmacro %}
