-- apart from stg_meta__streams, which every night changes: what is on stays what it is for months
with streams as (

    select * from {{ ref('stg_meta__streams') }}

)

select
    source,
    stream,
    is_on,
    first_day is not null as has_days
from streams
