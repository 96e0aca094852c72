{{ every_source('ad_clicks') }}
