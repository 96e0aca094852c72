{#
  Shapes: what the rest of the project sees of a source. A source that has rows of a shape gives them as the public model
  `<shape>__<source>` in its folder, says so in its line of `vars: sources` (dbt_project.yml), and keeps all else to itself.
  Columns, types and descriptions of a shape stand here and nowhere else (web, money, people and reach in files of their own).

  A type is one of dbt's, `moment` (a point in time, UTC inside) or `texts` (a list of texts).
#}
{% macro shapes() -%}
    {% set all = {} -%}
    {% do all.update(web_shapes()) -%}
    {% do all.update(money_shapes()) -%}
    {% do all.update(people_shapes()) -%}
    {% do all.update(reach_shapes()) -%}
    {{ return(all) }}
{%- endmacro %}

{# The sources whose models are in the graph, in the order of `vars: sources`; `sources_on` narrows them. #}
{% macro sources_on() -%}
    {% set wanted = var('sources_on', none) -%}
    {% set found = [] -%}
    {% for source_name in var('sources') if wanted is none or source_name in wanted -%}
        {% do found.append(source_name) -%}
    {%- endfor %}
    {{ return(found) }}
{%- endmacro %}

{# Those of them that give a shape. #}
{% macro givers(shape) -%}
    {% set found = [] -%}
    {% for source_name in sources_on() if shape in var('sources')[source_name] -%}
        {% do found.append(source_name) -%}
    {%- endfor %}
    {{ return(found) }}
{%- endmacro %}

{# Whether a source (a column) gives a shape. #}
{% macro gives(shape, source_name) -%}
    {%- set names = givers(shape) -%}
    {% if names %}({{ source_name }} in ('{{ names | join("', '") }}')){% else %}false{% endif %}
{%- endmacro %}

{% macro shape_type(name) -%}
    {%- if name == 'moment' -%}
        {{ moment_type() }}
    {%- elif name == 'texts' -%}
        {{ list_type('string') }}
    {%- else -%}
        {{ name }}
    {%- endif -%}
{%- endmacro %}

{#
  All rows of a shape, with the source that gives them as source_system. By name, and each branch in the shape's types: a
  table's types must not depend on who is on. Without any giver an empty table of the same columns and types.
#}
{% macro every_source(shape) -%}
    {%- set columns = shapes()[shape].columns -%}
    {%- for source_name in givers(shape) %}
    select
        '{{ source_name }}' as source_system
        {%- for column, (type, _) in columns.items() %},
        cast({{ column }} as {{ shape_type(type) }}) as {{ column }}
        {%- endfor %}
    from {{ ref(shape ~ '__' ~ source_name) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select
        cast(null as string) as source_system
        {%- for column, (type, _) in columns.items() %},
        cast(null as {{ shape_type(type) }}) as {{ column }}
        {%- endfor %}
    where false
    {%- endfor %}
{%- endmacro %}

{#
  `<shape>__<source>`: a select that names what the source has, in the shape's columns; the others are null.

      {% call as_shape('followers') %}
      select day, date as date_day, ... from ...
      {% endcall %}
#}
{% macro as_shape(shape) -%}
    {%- set rows = caller() -%}
    {%- set given = selected_columns(rows) -%}
    {%- set columns = shapes()[shape].columns -%}
    {%- for name in given if name not in columns or given | select('equalto', name) | list | length > 1 -%}
        {{ exceptions.raise_compiler_error(
            "no column " ~ name ~ " in the shape " ~ shape ~ ", or named twice; it has " ~ columns | join(', ')
        ) }}
    {%- endfor -%}
    select
        {%- for column, (type, _) in columns.items() %}
        {% if column in given %}given.{{ column }}{% else %}cast(null as {{ shape_type(type) }}) as {{ column }}{% endif %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ rows }}
    ) as given
{%- endmacro %}

{# The names of the columns of one select: without strings, comments and what stands in brackets, the last word of each. #}
{% macro selected_columns(sql) -%}
    {%- set left = namespace(sql=modules.re.sub("'[^']*'|--[^\n]*", "", sql)) -%}
    {%- for _ in range(40) if '(' in left.sql -%}
        {%- set left.sql = modules.re.sub("[(][^()]*[)]", "", left.sql) -%}
    {%- endfor -%}
    {%- set found = [] -%}
    {%- for item in modules.re.split("(?i)\\bfrom\\b", left.sql)[0].split(',') -%}
        {%- do found.append((item.split() | last).split('.') | last) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# Columns that several shapes share. #}
{% macro shared_shape_columns() -%}
    {{ return({
        'day': ['string', "Partition of the raw zone, ISO text; a literal filter on it prunes files."],
        'account_id': ['string', "Account at the source; the name of the mapping where it comes from files."],
        'date_day': ['date', "Day of the report, in the source's time zone."],
        'vendor_source': ['string', "Where the visit came from, in the source's words."],
        'vendor_medium': ['string', "How it came, in the source's words."],
        'vendor_campaign': ['string', "Campaign in the source's words."],
        'vendor_campaign_id': ['string', "The source's id of the campaign, or utm_id."],
        'term': ['string', "utm_term; null if not collected."],
        'content': ['string', "utm_content; null if not collected."],
        'landing_page': ['string', "Path of the first page, or the address that the company keeps."],
        'device': ['string', "Kind of device, normalised."],
        'country': ['string', "Country, ISO 3166."],
        'currency_code': ['string', "Currency of the amounts, ISO 4217."],
        'email_hash': ['string', "Keyed hash of the e-mail."],
        'phone_hash': ['string', "Keyed hash of the phone."],
        'owner_id': ['string', "Salesperson, by the source's id."],
        'utm_source': ['string', "Source that the record itself names."],
        'utm_medium': ['string', "Medium that the record itself names."],
        'utm_campaign': ['string', "Campaign that the record itself names."],
        'utm_term': ['string', "Term that the record itself names."],
        'utm_content': ['string', "Content that the record itself names."],
        'self_reported_source': ['string', "What the person answered when asked how they heard of the company."],
        'placeholder_ids': ['string', "Ids that are none, as `column=value` with ';' between."],
        'is_export': ['boolean', "From an export: keys are of its mapping, and its words for a source are the company's channels."],
        'ga_client_id': ['string', "Client id of Google Analytics."],
        'ym_client_id': ['string', "Client id of Yandex Metrica."],
    }) }}
{%- endmacro %}

{# A shape's columns in order: a name of a shared column, or [name, type, description]. #}
{% macro shape(description, columns) -%}
    {% set shared = shared_shape_columns() -%}
    {% set named = {} -%}
    {% for column in columns -%}
        {% if column is string -%}
            {% do named.update({column: shared[column]}) -%}
        {% else -%}
            {% do named.update({column | first: column[-2:]}) -%}
        {% endif -%}
    {%- endfor %}
    {{ return({'description': description, 'columns': named}) }}
{%- endmacro %}

{# Click ids as columns of a shape. #}
{% macro click_id_shape_columns(names) -%}
    {% set found = [] -%}
    {% for name in names -%}
        {% do found.append([name, 'string', "Click id " ~ name ~ "; null where it is a placeholder."]) -%}
    {%- endfor %}
    {{ return(found) }}
{%- endmacro %}
