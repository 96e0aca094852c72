{{ every_source('ad_days') }}
