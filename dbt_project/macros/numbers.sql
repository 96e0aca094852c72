{# The one division: null where the denominator is zero or null. Always a double. #}
{% macro safe_divide(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}

{# Money: exact, six decimals, so that sums do not depend on the order of rows. #}
{% macro money(amount) -%}
    cast({{ amount }} as decimal(24, 6))
{%- endmacro %}

{#
  An amount in the reporting currency; null where a rate is needed and missing (never 1.0).

  `rate` is rate_to_reporting of int_exchange_rates_daily, left-joined on the amount's day and currency.
  Use with `is_rate_missing` for the flag that belongs beside every converted amount.
#}
{% macro convert_amount(amount, currency_code, rate, reporting_currency) -%}
    cast(
        case
            when {{ currency_code }} = {{ reporting_currency }} then {{ amount }}
            else round(cast({{ amount }} as double) * {{ rate }}, 6)
        end as decimal(24, 6)
    )
{%- endmacro %}

{# True where there is an amount other than zero that could not be converted. #}
{% macro is_rate_missing(amount, currency_code, rate, reporting_currency) -%}
    (
        coalesce({{ amount }}, 0) != 0
        and coalesce({{ currency_code }} != {{ reporting_currency }}, true)
        and {{ rate }} is null
    )
{%- endmacro %}
