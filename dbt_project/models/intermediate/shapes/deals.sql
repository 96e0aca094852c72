{{ every_source('deals') }}
