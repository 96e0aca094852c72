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

{#
  A URL with '&' before each tag that people meant as one, for url_param: what is left of '&amp;' and '&#038;' after some
  tool ate the '&' or the ';' (`amp;utm_medium`, `#038;utm_term`, `&amputm_source`, `&amp%3Butm_id`), and the ';' that
  HTML 4 allowed instead. For reading tags only: the path of a page is that of the address as it came.
#}
{% macro mended_address(url) -%}
    {%- set tag = "(utm(?:_|%5f)|" ~ (landing_click_ids() + ['srsltid']) | join('=|') ~ "=)" -%}
    {%- set rest_of_entity = "(?:amp|[&#]+0*38|[&#]+x0*26)?(?:;|%3b)" -%}
    case
        when {{ url }} like '%;%' or {{ url }} like '%&amp%' or lower({{ url }}) like '%!%3b%' escape '!'
            then {{ replace_matches(
                url, "'(?i)(?:[?&#]?(?:" ~ rest_of_entity ~ ")+|[?&]amp)" ~ tag ~ "'", "'&\\1'"
            ) }}
        else {{ url }}
    end
{%- endmacro %}

{# Host of a URL in lower case, without user, port, 'www.' and 'm.'; null where the text has no host. #}
{% macro url_host(url) -%}
    {%- set after_scheme = find_match(
        url, "'(?i)^\\s*(?:https?:/{1,3}|(?:[a-z][a-z0-9+.-]*:)?//)(?:[^/?#@]*@)?([^/?#:\\s]+)'"
    ) -%}
    nullif({{ bare_host("lower(coalesce(nullif(" ~ after_scheme ~ ", ''), " ~ schemeless_host(url) ~ "))") }}, '')
{%- endmacro %}

{#
  Host of an address that is written without its scheme (www.google.com, google.com/search, com.linkedin.android), as
  analytics tools and people write them; null for a path, a page's file name and a word. An ending of letters tells a host.
#}
{% macro schemeless_host(url) -%}
    {%- set labels = "(?:[\\pL\\pN_-]+[.])+(?:\\pL{2,}|xn--[a-z0-9-]+)|[0-9]{1,3}(?:[.][0-9]{1,3}){3}" -%}
    {%- set host = find_match(url, "'(?i)^\\s*(" ~ labels ~ ")[.]?(?::[0-9]+)?(?:[/?#].*|\\s*)$'") -%}
    case
        when {{ url }} not like '/%' and not {{ full_match(url, "'(?i)[^/?#]*[.](?:html?|php|aspx?|jsp|cgi|pdf)(?:[?#].*)?'") }}
            then nullif({{ host }}, '')
    end
{%- endmacro %}

{# A host or source without a leading 'www.', 'm.' or both. #}
{% macro bare_host(host) -%}
    {{ replace_matches(host, "'^(?:www\\.)?(?:m\\.)?'") }}
{%- endmacro %}

{#
  Path of a landing page, from a URL (with its scheme or without) or from a path: without host, query and fragment,
  decoded, without a slash at the end ('/' alone stays); null where nothing is known. The letter case stays: paths are
  case-sensitive.
#}
{% macro url_path(url) -%}
    {%- set with_scheme = replace_matches(
        url, "'^(?:[Hh][Tt][Tt][Pp][Ss]?:/{1,3}|(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/?#]*|[?#].*$'"
    ) -%}
    {%- set without_scheme = replace_matches(url, "'^[^/?#]*|[?#].*$'") -%}
    {%- set path -%}
        case when {{ schemeless_host(url) }} is null then {{ with_scheme }} else {{ without_scheme }} end
    {%- endset -%}
    case
        when {{ known(url) }} is null then null
        else coalesce(nullif({{ replace_matches(decode_once(path), "'/+$'") }}, ''), '/')
    end
{%- endmacro %}

{#
  The click ids that leads are joined by, the path of the landing page and what is wrong with its tags. `address` is
  the mended_address of `url`.
#}
{% macro landing_columns(address, url) -%}
    {{ url_path(url) }} as landing_page
    {%- for name in click_id_names() %},
    {{ usable_id(url_param(address, name)) }} as {{ name }}
    {%- endfor %}
    {%- for name in address_click_id_names() %},
    {{ usable_id(rare_url_param(address, name)) }} as {{ name }}
    {%- endfor %},
    {{ url_problems(url) }} as tag_problems
{%- endmacro %}

{# Text as it stands in a query string: what would end a value or begin another one is percent-encoded. #}
{% macro as_query_text(value, space='%20') -%}
    replace(replace(replace(replace(replace({{ value }}, '%', '%25'), '&', '%26'), '#', '%23'), '+', '%2B'), ' ', '{{ space }}')
{%- endmacro %}

{# An address with its placeholders filled in, as the platform does it at a click. `values`: placeholder -> SQL of its text. #}
{% macro filled_address(address, values) -%}
    {%- set filled = namespace(sql=address) -%}
    {%- for placeholder, value in values.items() -%}
        {%- set filled.sql = "replace(" ~ filled.sql ~ ", '" ~ placeholder ~ "', coalesce(" ~ value ~ ", ''))" -%}
    {%- endfor -%}
    {{ filled.sql }}
{%- endmacro %}
