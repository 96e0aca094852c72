{{ every_source('cost_lines') }}
