-- apart from stg_meta__days, of which every night changes when a day was checked: what is built from days of the same
-- content is the same. The rules are small: their views count by their rows
with days as (

    select * from {{ ref('stg_meta__days') }}

)

select
    source,
    stream,
    date_day,
    content_hash,
    time_zone,
    sampled_share,
    is_thresholded,
    has_other_row,
    is_truncated
from days
where source != 'config'
