{#
  What was built from what is remembered in intermediate.built_nodes, by the program that asks dbt for what changed. Whoever
  starts dbt, by hand too: what is about to be built is forgotten first, so that no table passes for one that it no longer is.
#}
{% macro forget_built_nodes() -%}
    create table if not exists intermediate.built_nodes (node string, code string, fingerprint string, result string)
    {%- if selected_resources %};
    delete from intermediate.built_nodes where node in ('{{ selected_resources | join("', '") }}')
    {%- endif %}
{%- endmacro %}
