{{ every_source('web_days') }}
