{{ every_source('merged_people') }}
