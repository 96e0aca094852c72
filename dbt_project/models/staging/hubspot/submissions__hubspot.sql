-- Grain: submission_id.
select submissions.*, coalesce(forms.form_name, submissions.form_id) as form
from {{ ref('stg_hubspot__form_submissions') }} as submissions
left join {{ ref('stg_hubspot__forms') }} as forms on submissions.form_id = forms.form_id
