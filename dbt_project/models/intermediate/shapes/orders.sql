{{ every_source('orders') }}
