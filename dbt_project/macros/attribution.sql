{#
  Attribution weights, one column a model, each summing to 1 within a conversion. Definitions: the table of models
  in docs/attribution.md; half-life in days.

  `touches` is a relation or CTE (not named as one in here) with one row per conversion x touch inside its lookback
  window: conversion_id, touch_order (1 = oldest, no ties, no gaps), channel, is_direct, is_paid, seconds_to_last (from
  the touch to the last one of its path), is_before_lead, is_before_opportunity (the touch came at or before that
  stage), markov_effect (removal effect of the channel in the fit of the conversion's month, 0 where there is no fit).
  Numbers for conversion_id and channel take half the time that texts take.

  Gives the touches' columns and: touches_in_path, weight_first, weight_last, weight_last_non_direct,
  weight_first_paid, weight_last_paid, weight_linear, weight_time_decay, weight_position, weight_w_shaped,
  weight_full_path, weight_shapley, weight_markov. The paid models are 0 in every row of a path without a paid touch.

  Paths are grouped and joined back, nothing is sorted: over millions of paths that takes a fraction of the time and
  of the memory that windows take. What is summed is in whole units of 1e-15: the order in which an engine happens to
  add rows shows in the last digit of a sum of fractions, and shares must be the same in every run.
#}
{% macro attribution_weights(touches, half_life_days) -%}
{#- a touch's decay against the last touch of the path: the time from there to the conversion is the same for all -#}
{%- set decay = fixed_point('power(2.0e0, -touches.seconds_to_last / 86400.0e0 / ' ~ half_life_days ~ ')') -%}
with path_channels as (
    select conversion_id, channel, count(*) as touches_of_channel, max({{ fixed_point('markov_effect') }}) as channel_effect
    from {{ touches }}
    group by conversion_id, channel
),

path_channel_sets as (
    select conversion_id, count(*) as channels_in_path, sum(channel_effect) as effect_in_path
    from path_channels
    group by conversion_id
),

path_milestones as (
    select
        conversion_id,
        count(*) as touches_in_path,
        max(case when not is_direct then touch_order end) as last_non_direct,
        min(case when is_paid then touch_order end) as first_paid,
        max(case when is_paid then touch_order end) as last_paid,
        max(case when is_before_lead then touch_order end) as lead_touch,
        max(case when is_before_opportunity then touch_order end) as opportunity_touch,
        sum({{ decay }}) as decay_in_path
    from {{ touches }} as touches
    group by conversion_id
),

path_sizes as (
    select
        path_milestones.conversion_id,
        touches_in_path,
        cast(decay_in_path as double) as decay_in_path,
        channels_in_path,
        cast(effect_in_path as double) as effect_in_path,
        coalesce(last_non_direct, touches_in_path) as last_non_direct,
        coalesce(first_paid, 0) as first_paid, -- no touch is number 0
        coalesce(last_paid, 0) as last_paid,
        coalesce(lead_touch, 0) as lead_touch,
        coalesce(opportunity_touch, 0) as opportunity_touch,
        case when lead_touch is null then 0 else 1 end + case when opportunity_touch is null then 0 else 1 end
            as stages_in_path,
        touches_in_path - {{ distinct_count(['1', 'lead_touch', 'opportunity_touch']) }} as w_rest,
        touches_in_path - {{ distinct_count(['1', 'touches_in_path', 'lead_touch', 'opportunity_touch']) }} as full_rest
    from path_milestones
    inner join path_channel_sets on path_milestones.conversion_id = path_channel_sets.conversion_id
),

-- what depends on the path alone is computed once a path
path_totals as (
    select
        *,
        1.0e0 / touches_in_path as linear_part,
        1.0e0 / channels_in_path as channel_part,
        case touches_in_path when 1 then 1.0e0 when 2 then 0.5e0 else 0.4e0 end as position_end,
        case when touches_in_path > 2 then 0.2e0 / (touches_in_path - 2) else 0.0e0 end as position_middle,
        {{ scaled_milestones('w', '0.3e0', '1 + stages_in_path', 'w_rest') }},
        {{ scaled_milestones('full', '0.225e0', '2 + stages_in_path', 'full_rest') }}
    from path_sizes
)

select
    touches.*,
    path_totals.touches_in_path,
    cast(touch_order = 1 as double) as weight_first,
    cast(touch_order = touches_in_path as double) as weight_last,
    cast(touch_order = last_non_direct as double) as weight_last_non_direct,
    cast(touch_order = first_paid as double) as weight_first_paid,
    cast(touch_order = last_paid as double) as weight_last_paid,
    linear_part as weight_linear,
    {{ decay }} / decay_in_path as weight_time_decay,
    case when touch_order = 1 or touch_order = touches_in_path then position_end else position_middle end
        as weight_position,
    {{ milestone_weight('w', ['1', 'lead_touch', 'opportunity_touch']) }} as weight_w_shaped,
    {{ milestone_weight('full', ['1', 'touches_in_path', 'lead_touch', 'opportunity_touch']) }} as weight_full_path,
    channel_part / touches_of_channel as weight_shapley,
    case
        when effect_in_path > 0 then channel_effect / effect_in_path / touches_of_channel
        when effect_in_path = 0 then linear_part -- no channel of the path had any effect in the fit
    end as weight_markov
from {{ touches }} as touches
left join path_channels on touches.conversion_id = path_channels.conversion_id and touches.channel = path_channels.channel
left join path_totals on touches.conversion_id = path_totals.conversion_id
{%- endmacro %}

{# A number from 0 to 1 as a whole number of units of 1e-15. #}
{% macro fixed_point(value) -%}
    cast(round({{ value }} * 1e15) as bigint)
{%- endmacro %}

{#
  Per path: what a milestone gets, and what each of the `rest` of the touches gets of the tenth that they share. Where a
  milestone or the rest is missing, what is there is scaled up to 1.
#}
{% macro scaled_milestones(name, share, milestones, rest) -%}
{%- set total -%}
    ({{ share }} * ({{ milestones }}) + case when {{ rest }} > 0 then 0.1e0 else 0.0e0 end)
{%- endset -%}
{{ share }} / {{ total }} as {{ name }}_milestone_part,
        case when {{ rest }} > 0 then 0.1e0 / {{ rest }} / {{ total }} else 0.0e0 end as {{ name }}_rest_part
{%- endmacro %}

{# Per touch: one touch may be several milestones, and their shares add. #}
{% macro milestone_weight(name, milestones) -%}
{%- set hits -%}
    ({% for milestone in milestones %}cast(touch_order = {{ milestone }} as integer){{ ' + ' if not loop.last }}{% endfor %})
{%- endset -%}
    case when {{ hits }} > 0 then {{ hits }} * {{ name }}_milestone_part else {{ name }}_rest_part end
{%- endmacro %}

{# How many different values there are among a few columns; nulls count for nothing, the first one is never null. #}
{% macro distinct_count(columns) -%}
    (
        1
        {%- for column in columns[1:] %}
        + case when {{ column }} in ({{ columns[:loop.index] | join(', ') }}) or {{ column }} is null then 0 else 1 end
        {%- endfor %}
    )
{%- endmacro %}

{# Every model there is, by the name that funnelhouse.yml and the KPIs use. #}
{% macro attribution_models() -%}
    {{ return([
        'first', 'last', 'last_non_direct', 'first_paid', 'last_paid', 'linear', 'time_decay', 'position', 'w_shaped',
        'full_path', 'shapley', 'markov',
    ]) }}
{%- endmacro %}

{# A share of an amount: nothing and all of it exactly, parts of it to the last decimal of money. #}
{% macro share_of(amount, share) -%}
    case
        when {{ amount }} is null or {{ share }} = 1 then {{ amount }}
        when {{ share }} = 0 then 0
        else {{ money('cast(' ~ amount ~ ' as double) * cast(' ~ share ~ ' as double)') }}
    end
{%- endmacro %}
