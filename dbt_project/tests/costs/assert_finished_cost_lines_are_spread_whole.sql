-- The days of a cost line that is over add up to the line, to the last digit.
with clock as (

    select * from {{ ref('stg_config__clock') }}

),

spread as (

    select cost_line_key, sum(amount_native) as amount_native
    from {{ ref('int_cost_lines_spread') }}
    group by cost_line_key

)

select lines.line_id, lines.amount_native, spread.amount_native as spread_native
from {{ ref('int_cost_lines') }} as lines
cross join clock
left join spread on lines.cost_line_key = spread.cost_line_key
where lines.end_date <= clock.today and lines.amount_native is distinct from spread.amount_native
