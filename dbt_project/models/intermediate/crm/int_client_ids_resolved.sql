-- Who was seen at a browser, and whether it says anything about who sits at it now.
with seen as (

    select * from {{ ref('int_identity_links') }} where id_kind = 'client_id' and is_somebody

)

select
    id_value as client_id,
    {{ earliest('person_id', '(seen_at, group_id)') }} as person_id,
    count(distinct group_id) as people,
    max(case when refused_for = 'shared_device' then 1 else 0 end) = 1 as is_shared
from seen
group by id_value
