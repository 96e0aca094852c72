{#
  The grain that a description promises: no two rows agree in all of `columns`.

  Long daily tables are tested where they changed: `built_lately` names the model and its day column,
  `extracted_lately` the source, the stream and the partition column (macros/replace_window.sql).
#}
{% test unique_grain(model, columns, built_lately=none, extracted_lately=none) %}
select {{ columns | join(', ') }}, count(*) as rows_of_one_grain
from {{ model }}
{% if built_lately -%}
    where {{ in_days_built_lately(*built_lately) }}
{% elif extracted_lately -%}
    where {{ in_days_extracted_lately(*extracted_lately) }}
{% endif -%}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}
