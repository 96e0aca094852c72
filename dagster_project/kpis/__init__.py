"""KPI facts: the semantic layer is asked, comparisons, intervals, targets and reasons are added, tables are written.

    kpis.build(connection, manifest)                 rows by table; builds all of TABLES in one transaction
    kpis.show(connection, "leads", by="channel")     rows of one KPI, newest period first
    kpis.explain(connection, "cpl", "2026-09")       formula, parts, source days with extraction times

`connection` is an open DuckDB connection: for `build` to the warehouse, for the others also to the published copy.
Nothing here knows Dagster: orchestration calls `build` and reports what it returns.
"""

from dagster_project.kpi_names import marts_read
from dagster_project.kpis.answers import Explanation, QuestionError, days_of, explain, find_kpi, grain_of, show
from dagster_project.kpis.build import build
from dagster_project.kpis.catalogue import CatalogueError
from dagster_project.kpis.changes import forget
from dagster_project.kpis.contract import KEY, TABLES, table_name
from dagster_project.kpis.inputs import InputError
from dagster_project.kpis.manifest import load_catalogue, owners
from dagster_project.kpis.periods import GRAINS

MARTS = marts_read()  # what the KPI tables depend on

__all__ = [
    "GRAINS", "KEY", "MARTS", "TABLES", "CatalogueError", "Explanation", "InputError", "QuestionError", "build", "days_of", "explain", "find_kpi", "forget", "grain_of", "load_catalogue", "owners", "show", "table_name",
]  # fmt: skip
