{# A model's schema is exactly what dbt_project.yml says, so that asset key = schema/table. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
