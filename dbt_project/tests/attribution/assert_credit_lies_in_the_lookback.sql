-- No credit before the lookback window or after the conversion.
select attribution.conversion_type, attribution.entry_id, attribution.model, attribution.touch_id
from {{ ref('fct_attribution') }} as attribution
inner join {{ ref('int_conversions') }} as conversions
    on attribution.conversion_type = conversions.conversion_type and attribution.entry_id = conversions.entry_id
where attribution.touch_at < conversions.path_start_at or attribution.touch_at > conversions.touches_until
