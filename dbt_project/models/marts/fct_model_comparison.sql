{%- set kinds = conversion_types() %}
with attribution as (

    select * from {{ ref('fct_attribution') }}

),

costs as (

    select * from {{ ref('fct_costs') }}

),

settings as (

    select ',' || attribution_models || ',' as models from {{ ref('stg_config__settings') }}

),

-- summed long before it is laid out wide: each of millions of shares is looked at once, not once a column
credits_by_model as (

    select
        cast(date_trunc('month', conversion_date) as date) as month_start,
        channel,
        campaign_key,
        conversion_type,
        model,
        bool_or(is_rate_missing) as is_revenue_unconverted,
        sum(credit) as credit,
        sum(revenue) as revenue
    from attribution
    group by cast(date_trunc('month', conversion_date) as date), channel, campaign_key, conversion_type, model

),

credits as (

    select
        month_start,
        channel,
        campaign_key,
        conversion_type,
        bool_or(is_revenue_unconverted) as is_revenue_unconverted,
        {% for model in attribution_models() -%}
        sum(case when model = '{{ model }}' then credit else 0 end) as credit_{{ model }},
        sum(case when model = '{{ model }}' then revenue else 0 end) as revenue_{{ model }}{{ ',' if not loop.last }}
        {% endfor %}
    from credits_by_model
    group by month_start, channel, campaign_key, conversion_type

),

spend as (

    select
        cast(date_trunc('month', date_day) as date) as month_start,
        channel,
        campaign_key,
        bool_or(cost_type = 'media' and is_rate_missing) as is_spend_unconverted,
        bool_or(is_rate_missing) as is_cost_unconverted,
        sum(case when cost_type = 'media' then amount else 0 end) as spend,
        sum(acquisition_amount) as cost
    from costs
    group by cast(date_trunc('month', date_day) as date), channel, campaign_key

),

-- beside every conversion type, so that each of them alone shows all the spend
conversion_types as (

    {% for kind in kinds -%}
    select '{{ kind }}' as conversion_type
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

typed_spend as (

    select conversion_types.conversion_type, spend.*
    from spend
    cross join conversion_types

),

-- spend without credit and credit without spend both stay
joined as (

    select
        coalesce(credits.month_start, typed_spend.month_start) as month_start,
        coalesce(credits.channel, typed_spend.channel) as channel,
        coalesce(credits.campaign_key, typed_spend.campaign_key) as campaign_key,
        coalesce(credits.conversion_type, typed_spend.conversion_type) as conversion_type,
        {% for model in attribution_models() -%}
        credits.credit_{{ model }},
        credits.revenue_{{ model }},
        {% endfor -%}
        coalesce(credits.is_revenue_unconverted, false) as is_revenue_unconverted,
        coalesce(typed_spend.is_spend_unconverted, false) as is_spend_unconverted,
        coalesce(typed_spend.is_cost_unconverted, false) as is_cost_unconverted,
        typed_spend.spend,
        typed_spend.cost
    from credits
    full outer join typed_spend
        on
            credits.month_start = typed_spend.month_start
            and credits.channel = typed_spend.channel
            and credits.campaign_key = typed_spend.campaign_key
            and credits.conversion_type = typed_spend.conversion_type

)

select
    joined.month_start,
    joined.channel,
    joined.campaign_key,
    joined.conversion_type,
    {% for model in attribution_models() -%}
    case when settings.models like '%,{{ model }},%' then coalesce(joined.credit_{{ model }}, 0) end as credit_{{ model }},
    {% endfor -%}
    {% for model in attribution_models() -%}
    case
        when joined.conversion_type = 'order' and settings.models like '%,{{ model }},%' and not joined.is_revenue_unconverted
            then {{ money('coalesce(joined.revenue_' ~ model ~ ', 0)') }}
    end as revenue_{{ model }},
    {% endfor -%}
    case when not joined.is_spend_unconverted then {{ money('coalesce(joined.spend, 0)') }} end as spend,
    case when not joined.is_cost_unconverted then {{ money('coalesce(joined.cost, 0)') }} end as cost,
    joined.is_revenue_unconverted or joined.is_cost_unconverted as is_rate_missing
from joined
cross join settings
