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

{#
  When a record reached the stages of the funnel, from `entries` (an `entry` of its stage history a row, `current` its stage
  now): lost counts only while it lasts, the others count from the first time. `rules` map a CRM's stages.
#}
{% macro stages_reached(entries, rules, key, current) -%}
    select
        {{ entries }}.{{ key }},
        {{ rules }}.stage,
        case
            when {{ rules }}.stage = 'lost' then max({{ entries }}.entry.timestamp)
            else min({{ entries }}.entry.timestamp)
        end as reached_at
    from {{ entries }}
    inner join {{ rules }} on {{ entries }}.entry.value = {{ rules }}.stage_value
    left join {{ rules }} as current_rules on {{ entries }}.{{ current }} = current_rules.stage_value
    where {{ rules }}.stage != 'lost' or current_rules.stage = 'lost'
    group by {{ entries }}.{{ key }}, {{ rules }}.stage
{%- endmacro %}
