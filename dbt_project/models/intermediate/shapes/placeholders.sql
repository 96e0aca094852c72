{{ every_source('placeholders') }}
