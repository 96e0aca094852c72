{# Cuts that a deal, an order or a customer has from the lead. #}
{% macro lead_cuts() -%}
    {{ return(['channel', 'source', 'medium', 'campaign_key', 'device', 'country', 'landing_page', 'form']) }}
{%- endmacro %}

{# In a select list: cuts of another row, which may not be there. #}
{% macro cuts_of(relation, names) -%}
    {%- for name in names %}
    coalesce({{ relation }}.{{ name }}, '(not set)') as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
