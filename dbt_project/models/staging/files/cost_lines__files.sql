-- Grain: account_id, line_id, copy_number.
select * from {{ ref('stg_files__other_costs') }}
