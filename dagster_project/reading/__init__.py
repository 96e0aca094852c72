"""What people are shown of the published copy; reads, never writes, and never waits for a refresh."""

from dagster_project.reading.tables import explanation, kpi_table, published, scoreboard

__all__ = ["explanation", "kpi_table", "published", "scoreboard"]
