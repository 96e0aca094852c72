{{ every_source('people') }}
