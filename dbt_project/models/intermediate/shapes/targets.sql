{{ every_source('targets') }}
