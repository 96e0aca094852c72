{#
  First value of a query parameter of a URL, decoded once; null where it is absent or empty.

  Accepts the name in any case and with an encoded '_', '&amp;' and '&#038;' between parameters (addresses copied out
  of HTML), and parameters behind '#'. Of a repeated parameter the first that has a value counts. '+' is a space before
  decoding; sequences that are no valid UTF-8 leave the value as it came. `name` is a literal, such as 'utm_source'.
#}
{% macro url_param(url, name) -%}
    {% set raw = "replace(" ~ find_match(url, "'(?i)[?&#](?:amp;|#0*38;)*" ~ name | replace('_', '(?:_|%5f)') ~ "=([^&#]+)'") ~ ", '+', ' ')" -%}
    nullif({{ decode_once(raw) }}, '')
{%- endmacro %}

{# The same for a parameter that hardly any address has: a search for its first letters is cheaper than the pattern. #}
{% macro rare_url_param(url, name) -%}
    case when lower({{ url }}) like '%{{ name.split('_')[0] }}%' then {{ url_param(url, name) }} end
{%- endmacro %}

{# Host of a URL in lower case, without user, port, 'www.' and 'm.'; null where the text has no host. #}
{% macro url_host(url) -%}
    nullif({{ bare_host("lower(" ~ find_match(url, "'^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#@]*@)?([^/?#:]+)'") ~ ")") }}, '')
{%- endmacro %}

{# A host or source without a leading 'www.', 'm.' or both. #}
{% macro bare_host(host) -%}
    {{ replace_matches(host, "'^(?:www\\.)?(?:m\\.)?'") }}
{%- endmacro %}

{#
  Path of a landing page, from a URL or from a path: without host, query and fragment, decoded, without a slash at the
  end ('/' alone stays); null where nothing is known. The letter case stays: paths are case-sensitive.
#}
{% macro url_path(url) -%}
    {%- set path = replace_matches(url, "'^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*|[?#].*$'") -%}
    case
        when {{ known(url) }} is null then null
        else coalesce(nullif({{ replace_matches(decode_once(path), "'/+$'") }}, ''), '/')
    end
{%- endmacro %}

{#
  Aggregate over the click ids of the seed (alias `ids`): the one that counts among those in the URL, null if none.
  The letter case of the name does not matter, that of the value is the id. Text search instead of a pattern per id:
  patterns that are not literals are slow.
#}
{% macro first_click_id(url, ids) -%}
    {%- set query = "replace(replace(replace(replace(replace(lower(" ~ url ~ "), '&#038;', '&'), '&#38;', '&'), '&amp;', '&'), '?', '&'), '#', '&') || '&'" -%}
    {%- set parameter = "'&' || lower(" ~ ids ~ ".click_id) || '='" -%}
    {{ earliest(
        "case when contains(replace(" ~ query ~ ", " ~ parameter ~ " || '&', '&'), " ~ parameter ~ ") then "
        ~ ids ~ ".click_id end",
        ids ~ ".precedence"
    ) }}
{%- endmacro %}

{# The click ids that leads are joined by, the path of the landing page and what is wrong with its tags. #}
{% macro landing_columns(url) -%}
    {{ url_path(url) }} as landing_page
    {%- for name in click_id_names() %},
    {{ url_param(url, name) }} as {{ name }}
    {%- endfor %}
    {%- for name in address_click_id_names() %},
    {{ rare_url_param(url, name) }} as {{ name }}
    {%- endfor %},
    {{ url_problems(url) }} as tag_problems
{%- endmacro %}
