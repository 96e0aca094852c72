{# Click ids that CRMs keep as fields, in the order in which they count (seed `click_ids`). #}
{% macro click_id_names() -%}
    {{ return(['gclid', 'gbraid', 'wbraid', 'msclkid', 'yclid', 'ttclid', 'li_fat_id', 'fbclid']) }}
{%- endmacro %}

{# Click ids that are read from addresses only: no CRM has a usual field for them. #}
{% macro address_click_id_names() -%}
    {{ return(['dclid', 'twclid', 'sccid', 'epik', 'rdt_cid']) }}
{%- endmacro %}

{#
  All click ids that a visit keeps, in the order in which they count. Column names are in small letters (sccid), the seed
  writes them as the platforms do (ScCid): compare without case.
#}
{% macro landing_click_ids() -%}
    {{ return([
        'gclid', 'gbraid', 'wbraid', 'dclid', 'msclkid', 'yclid', 'ttclid', 'li_fat_id', 'twclid', 'sccid', 'epik', 'rdt_cid',
        'fbclid',
    ]) }}
{%- endmacro %}

{# Those that prove a paid click. #}
{% macro paid_click_ids() -%}
    {{ return(landing_click_ids() | reject('equalto', 'fbclid') | list) }}
{%- endmacro %}

{# Name of the click id that counts in a row of `relation`: the first of `names` that is there; null if none is. #}
{% macro click_id_of(relation, names) -%}
    case
        {%- for name in names %}
        when {{ known(relation ~ '.' ~ name) }} is not null then '{{ name }}'
        {%- endfor %}
    end
{%- endmacro %}
