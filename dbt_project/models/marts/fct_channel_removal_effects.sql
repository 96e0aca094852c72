with effects as (

    select * from {{ ref('int_removal_effects_solved') }}

),

fits as (

    select * from {{ ref('int_markov_fits') }}

)

select
    ---------- fit
    fits.conversion_type,
    fits.fit_month,
    fits.first_day,
    fits.last_day,

    ---------- channel
    effects.channel,
    effects.removal_effect,
    effects.removal_effect_value,
    effects.conversions,
    effects.value

from fits
inner join effects on fits.conversion_type = effects.conversion_type and fits.fit_month = effects.fit_month
