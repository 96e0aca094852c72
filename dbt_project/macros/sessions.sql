{#
  A moment falls in the session that began last before it, if that was at most four hours earlier: GA4 ends a session
  after 30 idle minutes and gives only its first minute, so a later submission may still belong to it, but a visit of
  yesterday does not explain today's form. Clocks that differ have their grace.
  Take the latest session for which this holds.
#}
{% macro falls_in_session(moment, started_at) -%}
    ({{ started_at }} <= {{ moment }} + {{ clock_grace() }} and {{ started_at }} >= {{ moment }} - interval '4 hours')
{%- endmacro %}

{# Id of a session as a touch. #}
{% macro session_touch_id(relation) -%}
    'session:' || {{ relation }}.account_id || ':' || {{ relation }}.session_id
{%- endmacro %}
