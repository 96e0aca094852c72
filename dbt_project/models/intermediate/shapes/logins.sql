{{ every_source('logins') }}
