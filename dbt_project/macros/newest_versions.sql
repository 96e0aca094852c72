{#
  The newest version of each record of a record stream: the raw zone keeps a version per day on which a
  record changed. `order_by` must order any two versions of a record, or the choice would be left to chance.
#}
{% macro newest_versions(relation, id, order_by) -%}
    select *
    from {{ relation }}
    qualify row_number() over (partition by {{ id }} order by {{ order_by }}) = 1
{%- endmacro %}
