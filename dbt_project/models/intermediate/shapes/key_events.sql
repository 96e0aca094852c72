{{ every_source('key_events') }}
