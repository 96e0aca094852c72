{# The words of the funnel, by the names that funnelhouse.yml and the KPIs use. Each list stands here once. #}

{# Stages that a lead reaches, in their order; `lost` ends it from any of them. #}
{% macro funnel_stages() -%}
    {{ return(['lead', 'mql', 'sal', 'sql', 'opportunity', 'won']) }}
{%- endmacro %}

{# What is credited to touches. Stages of leads among them: `conversion_stages`. #}
{% macro conversion_types() -%}
    {{ return(['lead', 'mql', 'sql', 'opportunity', 'order']) }}
{%- endmacro %}

{% macro conversion_stages() -%}
    {{ return(['lead', 'mql', 'sql']) }}
{%- endmacro %}
