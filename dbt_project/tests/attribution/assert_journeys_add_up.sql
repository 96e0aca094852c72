-- In every fit, as many journeys enter a channel as leave it, and as many end as begin.
with ends as (

    select conversion_type, fit_month, from_state as state, transitions as balance
    from {{ ref('int_markov_transitions') }}

    union all

    select
        conversion_type,
        fit_month,
        case when to_state in ('(conversion)', '(null)') then '(start)' else to_state end as state,
        -transitions as balance
    from {{ ref('int_markov_transitions') }}

)

select conversion_type, fit_month, state, sum(balance) as balance
from ends
group by conversion_type, fit_month, state
having sum(balance) != 0
