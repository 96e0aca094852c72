-- the one source of web traffic: named in funnelhouse.yml, else GA4 if on, else its export, else session files
with settings as (

    select * from {{ ref('stg_config__settings') }}

),

streams as (

    select
        max(case when source = 'ga4' and stream = 'traffic' and is_on then 1 else 0 end) = 1 as has_ga4,
        max(case when source = 'ga4_export' and stream = 'events' and is_on then 1 else 0 end) = 1 as has_export,
        max(case when source = 'files' and stream = 'sessions' and is_on and first_day is not null then 1 else 0 end) = 1
            as has_files
    from {{ ref('stg_meta__streams') }}

)

select
    case
        when settings.web_truth != 'auto' then settings.web_truth
        when streams.has_ga4 then 'ga4'
        when streams.has_export then 'ga4_export'
        when streams.has_files then 'files'
        else 'none'
    end as web_truth
from settings
cross join streams
