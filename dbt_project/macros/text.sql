{#
  Text of a UTM value, source, medium or campaign as it is compared and shown: percent-decoded once more if that
  gives valid UTF-8 (GA4 delivers some values still encoded), NFC, without invisible characters, trimmed,
  lower case; '' is null. '(not set)' stays as it is: the channel rules tell it from null.
#}
{% macro normalise_utm(value) -%}
    nullif(lower({{ strip_invisible(compose_unicode(decode_once(value))) }}), '')
{%- endmacro %}

{# Percent-decoded if there is something to decode and the result is valid; else the value itself. #}
{% macro decode_once(value) -%}
    case when {{ value }} like '%!%%' escape '!' then coalesce({{ decode_url(value) }}, {{ value }}) else {{ value }} end
{%- endmacro %}

{# Without control, zero-width and bidirectional characters, and without white space at the ends. #}
{% macro strip_invisible(value) -%}
    {{ replace_matches(
        replace_matches(
            value,
            "'[\\x{0000}-\\x{0008}\\x{000E}-\\x{001F}\\x{007F}-\\x{009F}\\x{00AD}\\x{061C}\\x{180E}\\x{200B}-\\x{200F}\\x{202A}-\\x{202E}\\x{2060}-\\x{206F}\\x{FEFF}]'"
        ),
        "'^[\\s\\x{00A0}\\x{2000}-\\x{200A}\\x{202F}\\x{3000}]+|[\\s\\x{00A0}\\x{2000}-\\x{200A}\\x{202F}\\x{3000}]+$'"
    ) }}
{%- endmacro %}

{# Null where nothing is known: '', '(not set)' in any case. For staging; the value is otherwise untouched. #}
{% macro known(value) -%}
    case when lower(trim({{ value }})) in ('', '(not set)') then null else {{ value }} end
{%- endmacro %}

{# desktop, mobile, tablet, smart tv, other; null where nothing is known. #}
{% macro normalise_device(value) -%}
    case
        when lower(trim({{ value }})) in ('', '(not set)') or {{ value }} is null then null
        when lower(trim({{ value }})) in ('desktop', 'computer', 'pc', 'web', 'laptop') then 'desktop'
        when lower(trim({{ value }})) in ('mobile', 'smartphone', 'phone', 'mobile phone', 'cell phone') then 'mobile'
        when lower(trim({{ value }})) in ('tablet', 'pad') then 'tablet'
        when lower(trim({{ value }})) in ('smart tv', 'smarttv', 'smart_tv', 'tv', 'connected tv') then 'smart tv'
        else 'other'
    end
{%- endmacro %}

{# ISO codes in capitals; the vendor's words such as (other) as they are; null where nothing is known. #}
{% macro normalise_country(value) -%}
    case
        when {{ full_match("trim(" ~ value ~ ")", "'[A-Za-z]{2}'") }} then upper(trim({{ value }}))
        else {{ known(value) }}
    end
{%- endmacro %}

{# 'ok', or the names of the conditions that hold, with ';' between. `conditions`: list of (SQL condition, name). #}
{% macro quality_flags(conditions) -%}
    coalesce(
        nullif(
            concat_ws(
                ';'
                {%- for condition, name in conditions %},
                case when {{ condition }} then '{{ name }}' end
                {%- endfor %}
            ),
            ''
        ),
        'ok'
    )
{%- endmacro %}
