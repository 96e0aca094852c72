-- Grain: owner_id.
select * from {{ ref('stg_hubspot__owners') }}
