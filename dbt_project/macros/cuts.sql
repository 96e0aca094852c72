{# Cuts that a visit has beside its origin; a touch, and what it led to, have them from there. #}
{% macro visit_cuts() -%}
    {{ return(['landing_page', 'device', 'country']) }}
{%- endmacro %}

{# Cuts that a deal, an order or a stage has from the lead. #}
{% macro lead_cuts() -%}
    {{ return(['channel', 'source', 'medium', 'campaign_key'] + visit_cuts() + ['form']) }}
{%- endmacro %}

{# In a select list: cuts of a row that may not be there, or not say. #}
{% macro cuts_of(relation, names) -%}
    {%- for name in names %}
    coalesce({{ relation }}.{{ name }}, '(not set)') as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
