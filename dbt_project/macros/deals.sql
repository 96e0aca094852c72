{# Deals with the days in the reporting zone of their moments, and the rules that their money is converted by. #}
{% macro deals_with_days(which) -%}
    select
        deals.*,
        clock.today,
        settings.reporting_currency,
        {{ reporting_date('deals.created_at', 'settings.reporting_time_zone') }} as created_date,
        {{ reporting_date('deals.closed_at', 'settings.reporting_time_zone') }} as closed_date
    from {{ ref('int_deals_resolved') }} as deals
    cross join {{ ref('stg_config__settings') }} as settings
    cross join {{ ref('stg_config__clock') }} as clock
    where {{ which }}
{%- endmacro %}
