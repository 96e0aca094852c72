-- By every model a conversion is credited once, and an order's or refund's money is handed out to the last decimal.
with models as (

    select {{ explode(split_text('attribution_models', ',')) }} as model from {{ ref('stg_config__settings') }}

),

credited as (

    select
        conversion_type,
        entry_id,
        model,
        sum(credit) as credit,
        sum(revenue) as revenue,
        sum(gross_margin) as gross_margin
    from {{ ref('fct_attribution') }}
    group by conversion_type, entry_id, model

)

select conversions.conversion_type, conversions.entry_id, models.model, credited.credit, credited.revenue
from {{ ref('int_conversions') }} as conversions
cross join models
left join credited
    on
        conversions.conversion_type = credited.conversion_type
        and conversions.entry_id = credited.entry_id
        and models.model = credited.model
where
    credited.credit is distinct from case when conversions.entry = 'conversion' then 1 else 0 end
    or credited.revenue is distinct from conversions.revenue
    or credited.gross_margin is distinct from conversions.gross_margin
