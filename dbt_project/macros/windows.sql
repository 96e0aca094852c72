{#
  What a model is made of in the raw zone: the streams above it in the graph as (source, stream), in order. Rules and the
  index of the raw zone are none, nor is what is above the window table that asks.
#}
{% macro streams_above(model_name) -%}
    {% if not execute -%}
        {{ return([]) }}
    {%- endif %}
    {% set found = [] -%}
    {% for name in nodes_above(model_name) if name in graph.sources -%}
        {% set source_name = graph.sources[name].source_name | replace('raw_', '', 1) -%}
        {% if source_name not in ['meta', 'config'] -%}
            {% do found.append((source_name, graph.sources[name].name)) -%}
        {%- endif %}
    {%- endfor %}
    {{ return(found | sort) }}
{%- endmacro %}

{# Unique ids of a model and of all that is above it, but not through the model that asks. #}
{% macro nodes_above(model_name) -%}
    {% set names = ['model.' ~ project_name ~ '.' ~ model_name] -%}
    {% for name in names if name in graph.nodes and name != model.unique_id -%} {# the list grows while it is walked #}
        {% do add_new(names, graph.nodes[name].depends_on.get('nodes', [])) -%}
    {%- endfor %}
    {{ return(names) }}
{%- endmacro %}

{#
  The inputs of every model that is built day by day from this window table: rows of model, source, stream, and whether
  the settings of the company decide what it collects.
#}
{% macro window_inputs() -%}
    {% set rows = [] -%}
    {% if execute -%}
        {% for node in graph.nodes.values() if node.resource_type == 'model' and node.config.get('window_from') == model.name -%}
            {% set reads_settings = 'model.' ~ project_name ~ '.stg_config__settings' in nodes_above(node.name) -%}
            {% for source_name, stream in streams_above(node.name) -%}
                {% do rows.append((node.name, source_name, stream, reads_settings)) -%}
            {%- endfor %}
        {%- endfor %}
    {%- endif %}
    {% for model_name, source_name, stream, reads_settings in rows | sort -%}
    select '{{ model_name }}' as model, '{{ source_name }}' as source, '{{ stream }}' as stream, {{ reads_settings | lower }} as reads_settings
    {{ 'union all' if not loop.last }}
    {% else -%}
    select cast(null as string) as model, cast(null as string) as source, cast(null as string) as stream, false as reads_settings
    where false
    {%- endfor %}
{%- endmacro %}
