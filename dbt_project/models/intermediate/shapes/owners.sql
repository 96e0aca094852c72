{{ every_source('owners') }}
