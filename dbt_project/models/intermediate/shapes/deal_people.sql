{{ every_source('deal_people') }}
