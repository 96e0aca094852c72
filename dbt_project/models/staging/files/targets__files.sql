-- Grain: kpi_id, grain, period_start, dimension, member, account_id.
select * from {{ ref('stg_files__targets') }}
