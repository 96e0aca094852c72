select *
from {{ classify_origins(ref('int_web_origins_collected')) }} as classified
