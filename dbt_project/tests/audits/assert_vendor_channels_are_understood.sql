{{ config(severity='warn') }}
-- Canary: vendors change their rules now and then (GA4 added AI Assistant in May 2026). More than one session in a
-- hundred of a month has another channel than the vendor gave it, and no rule of ours explains why.
select
    month_start,
    source_system,
    sum(sessions) as sessions,
    sum(case when reason = 'unexplained' then sessions end) as unexplained_sessions
from {{ ref('audit_channels') }}
group by month_start, source_system
having sum(case when reason = 'unexplained' then sessions end) > 0.01 * sum(sessions)
