{{ every_source('web_campaigns') }}
