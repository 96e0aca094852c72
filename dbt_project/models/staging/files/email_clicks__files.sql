-- Grain: as delivered.
select * from {{ ref('stg_files__email_clicks') }}
