{{ every_source('followers') }}
