{#
  Ids that tell people apart. Those of the click ids `names` that link people: one click, so one browser. gbraid and
  wbraid are not among them: Google makes them for groups of clicks, so that they say nothing about one person.
#}
{% macro linking_click_ids(names) -%}
    {{ return(names | reject('in', ['gbraid', 'wbraid']) | list) }}
{%- endmacro %}

{#
  What scripts and people write where an id is missing, as a pattern of whole values in small letters: '', words for
  nothing, only zeros, quotes, a number that a spreadsheet rounded (4.479E+11), the id's own name. `missing_id` is of what
  stands for a value, `unexpanded_macro` of what should have become one: {gclid}, {{gclid}}, ${gclid}, $gclid, %%gclid%%,
  __CLICKID__, [gclid], <gclid>, %7Bgclid%7D.
#}
{% macro missing_id() -%}
    {%- set own_names = landing_click_ids() + ['srsltid', 'click_id', 'clickid', 'client_id', 'clientid', 'cid'] -%}
    {{ return(
        "\\([a-z ]+\\)|undefined|null|none|nan|nil|n[/.]?a[.]?|unknown|anonymous|empty|missing|test|true|false|[0._x*?–—-]+|[\"'']+|"
        ~ "\\[object object\\]|\\d(?:[.,]\\d+)?e\\+\\d+|" ~ own_names | join('|')
    ) }}
{%- endmacro %}

{% macro unexpanded_macro() -%}
    {{ return("[$%#@]?\\{.*|[$%@][a-z_]+%?|%%.*|__[a-z0-9_]+__|[\\[<].*|%(?:25)*(?:7b|5b|3c|24).*") }}
{%- endmacro %}

{% macro is_placeholder_id(value) -%}
    {{ full_match("lower(trim(" ~ value ~ "))", "'|" ~ missing_id() ~ "|" ~ unexpanded_macro() ~ "'") }}
{%- endmacro %}

{# An id, trimmed; null where it is a placeholder. Names its value once: that may be a search in an address. #}
{% macro usable_id(value) -%}
    nullif({{ replace_matches("trim(" ~ value ~ ")", "'(?i)^(?:" ~ missing_id() ~ "|" ~ unexpanded_macro() ~ ")$'") }}, '')
{%- endmacro %}

{# An order's number as both the shop and its books write it: '#1001' is 1001. #}
{% macro usable_order_id(value) -%}
    case
        when not {{ is_placeholder_id(value) }}
            then nullif({{ replace_matches("lower(trim(" ~ value ~ "))", "'^#+ *'") }}, '')
    end
{%- endmacro %}

{# A browser's client id; of a whole `_ga` cookie (GA1.2.111.222) the part that Google calls the client id. #}
{% macro usable_client_id(value) -%}
    case
        when {{ is_placeholder_id(value) }} then null
        else {{ replace_matches("trim(" ~ value ~ ")", "'^GA[0-9]\\.[0-9-]+\\.'") }}
    end
{%- endmacro %}

{# List of the placeholders in these columns as `column=value`; for audit_identity. Empty text and '(not set)' are none. #}
{% macro placeholder_ids(relation, columns) -%}
    nullif(
        concat_ws(
            ';'
            {%- for column in columns %},
            case
                when {{ known(relation ~ '.' ~ column) }} is not null and {{ is_placeholder_id(relation ~ '.' ~ column) }}
                    then
                        '{{ column }}='
                        -- an unexpanded macro may hold anything
                        || case
                            when not {{ full_match("lower(trim(" ~ relation ~ "." ~ column ~ "))", "'" ~ missing_id() ~ "'") }}
                                then 'macro'
                            else lower(trim({{ relation }}.{{ column }}))
                        end
            end
            {%- endfor %}
        ),
        ''
    )
{%- endmacro %}

{# Somebody known by the e-mail of an order or a deal, else by its phone; null where it has neither. #}
{% macro buyer_key(relation) -%}
    coalesce('files:email:' || {{ relation }}.email_hash, 'files:phone:' || {{ relation }}.phone_hash)
{%- endmacro %}

{#
  In a select list: the ids of a browser that a record of a CRM or an export holds, under their own names, and which of them
  are none. `is_typed`: a form took them, with what nobody sees.
#}
{% macro browser_ids(relation, names=none, is_typed=true) -%}
    {%- for name in names or click_id_names() %}
    {%- set value = relation ~ '.' ~ name %}
    {{ usable_id(strip_invisible(value) if is_typed else value) }} as {{ name }},
    {%- endfor %}
    {%- for name in ['ga_client_id', 'ym_client_id'] %}
    {%- set value = relation ~ '.' ~ name %}
    {{ usable_client_id(strip_invisible(value) if is_typed else value) }} as {{ name }},
    {%- endfor %}
    {{ placeholder_ids(relation, linking_click_ids(click_id_names()) + ['ga_client_id', 'ym_client_id']) }} as placeholder_ids
{%- endmacro %}
