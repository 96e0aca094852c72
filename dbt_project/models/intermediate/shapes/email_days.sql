{{ every_source('email_days') }}
