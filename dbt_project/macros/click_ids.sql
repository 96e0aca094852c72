{# Click ids that CRMs and sites keep as columns, in the order in which they count (seed `click_ids`). #}
{% macro click_id_names() -%}
    {{ return(['gclid', 'gbraid', 'wbraid', 'msclkid', 'yclid', 'ttclid', 'li_fat_id', 'fbclid']) }}
{%- endmacro %}

{# Name of the click id that counts in a row of `relation`: the first of `names` that is there; null if none is. #}
{% macro click_id_of(relation, names) -%}
    case
        {%- for name in names %}
        when {{ known(relation ~ '.' ~ name) }} is not null then '{{ name }}'
        {%- endfor %}
    end
{%- endmacro %}
