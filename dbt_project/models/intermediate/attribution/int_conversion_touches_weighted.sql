-- The share of every touch in its conversion by every model (macros/attribution.sql), wide.
with touches as (

    select * from {{ ref('int_conversion_touches') }}

),

conversions as (

    select distinct conversion_key, cast(date_trunc('month', path_end_date) as date) as fit_month
    from {{ ref('int_conversions') }}

),

effects as (

    select * from {{ ref('int_removal_effects_solved') }}

),

settings as (

    select * from {{ ref('stg_config__settings') }}

),

path_touches as (

    select
        touches.conversion_number as conversion_id,
        touches.touch_order,
        touches.channel_number as channel,
        touches.is_direct,
        touches.is_paid,
        touches.seconds_to_last,
        touches.is_before_lead,
        touches.is_before_opportunity,
        settings.attribution_half_life_days,
        -- none: the refund of an order that nobody knows is in no fit
        coalesce(effects.removal_effect, 0) as markov_effect
    from touches
    cross join settings
    inner join conversions on touches.conversion_key = conversions.conversion_key
    left join effects
        on
            touches.conversion_type = effects.conversion_type
            and conversions.fit_month = effects.fit_month
            and touches.channel = effects.channel

),

weighted as (

    {{ attribution_weights('path_touches', 'attribution_half_life_days') }}

)

select
    conversion_id as conversion_number,
    touch_order,
    touches_in_path,
    {% for model in attribution_models() -%}
    weight_{{ model }}{{ ',' if not loop.last }}
    {% endfor -%}
from weighted
