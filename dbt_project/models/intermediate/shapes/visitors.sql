{{ every_source('visitors') }}
