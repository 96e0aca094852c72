{{ every_source('submissions') }}
