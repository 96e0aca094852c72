{{ every_source('ad_conversions') }}
