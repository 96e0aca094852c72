{{ every_source('search_days') }}
