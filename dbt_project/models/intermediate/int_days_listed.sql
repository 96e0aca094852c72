-- a calendar does not depend on what was extracted
select date_day
from {{ day_series("date '2000-01-01'", "date '2059-12-31'") }} as days
