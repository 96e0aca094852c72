{{ every_source('stage_changes') }}
