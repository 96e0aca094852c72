-- Grain: as GA4 reports it. How sessions were tagged.
select * from {{ ref('stg_ga4__campaigns') }}
