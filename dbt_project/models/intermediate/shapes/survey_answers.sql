{{ every_source('survey_answers') }}
