{{ every_source('email_clicks') }}
