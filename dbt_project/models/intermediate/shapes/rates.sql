{{ every_source('rates') }}
