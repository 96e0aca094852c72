{{ every_source('sessions') }}
