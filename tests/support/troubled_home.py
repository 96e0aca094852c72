"""A small home with real settings, a real raw zone, a real run history and a hand-made publish, in which things can go wrong."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa

from dagster_project import ingest
from dagster_project.kpis import contract
from dagster_project.raw.zone import RawZone
from dagster_project.runs import alerts, instance
from dagster_project.runs.alerts.troubles import Looked, look
from dagster_project.settings import Settings, load_settings
from dagster_project.wire import Page, Stream

TODAY = date(2026, 3, 31)
NIGHT = datetime(2026, 3, 31, 4, tzinfo=UTC)
_UTM = """
create table marts.audit_utm (
    month_start date, finding varchar, campaign_key varchar, tag_value varchar, spend_at_risk decimal(24, 6), meaning varchar, fix varchar
)"""


class TroubledHome:
    """Pipedrive, and what is always on. All was read well this morning, until a test says otherwise. To begin as a copy of
    another one (`like`) is cheaper than to make the tables of the run history anew."""

    def __init__(
        self, folder: Path, urls: str = "", rules: str = "", *, like: TroubledHome | None = None, is_empty: bool = False
    ) -> None:
        self.folder, self.urls = folder, urls
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "funnelhouse.yml").write_text("exchange_rates: {providers: []}\n" + rules)
        self.today = TODAY
        self._dagster: dg.DagsterInstance | None = None
        if like is not None:
            shutil.copytree(like.folder / "data", folder / "data")
        self.zone = RawZone(self.settings.raw_root)
        if like is None and not is_empty:
            self.read_well()
            instance.open_instance(self.settings.home).dispose()

    def environment(self) -> dict[str, str]:
        return {
            "FUNNELHOUSE_HOME": str(self.folder / "data"),
            "FUNNELHOUSE_RAW": str(self.folder / "data" / "raw"),
            "FUNNELHOUSE_CONFIG": str(self.folder / "funnelhouse.yml"),
            "FUNNELHOUSE_TODAY": self.today.isoformat(),
            "PIPEDRIVE_API_TOKEN": "x" * 40,
            "PIPEDRIVE_COMPANY_DOMAIN": "kontorra",
            "FUNNELHOUSE_ALERT_URLS": self.urls,
        }

    @property
    def settings(self) -> Settings:
        return load_settings(self.environment(), folder=self.folder)

    def stream(self, name: str) -> Stream:
        return next(stream for stream in ingest.streams() if stream.id == name)

    def read_well(self, *names: str) -> None:
        """All streams that are on, or these, are read without trouble, and give nothing."""
        settings = self.settings
        for stream in ingest.streams():
            if ingest.is_on(settings, stream) and (not names or stream.id in names):
                empty = Page(stream.schema.empty_table())
                self.zone.declare(stream)
                self.zone.replace_days(
                    stream, [self.today - timedelta(days=1)], [empty], extracted_at=NIGHT, checked_on=self.today
                )
                self.zone.note_refusals(stream, None, {}, {})

    def fail(self, name: str, error: str, kind: str = "VendorError") -> None:
        self.zone.note_failure(self.stream(name), error, NIGHT, kind)

    def refuse(self, name: str, rows: Mapping[date | None, int]) -> None:
        self.zone.note_refusals(self.stream(name), None, rows, {})

    def publish(
        self,
        *,
        sessions: Mapping[date, float],
        spend_at_risk: float = 0.0,
        spend: float | None = 1000.0,
        campaign: str = "Spring",
    ) -> None:
        """The tables that alerts look at, by the contract of the KPI tables."""
        folder = self.settings.published_folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "funnelhouse.duckdb"
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as connection:
            connection.execute("begin; create schema kpi; create schema marts")
            for table in ("dim_kpi", "fct_kpi_daily", "fct_kpi_monthly"):
                contract.create(connection, table)
            connection.execute(_UTM)
            of_kpis = (("sessions", "x/y"), ("marketing_spend", "z/y"), ("win_rate", "pipedrive/deals"))
            kpis = [
                {"kpi_id": kpi, "name": kpi, "streams": rests_on, "currency_code": "EUR"} for kpi, rests_on in of_kpis
            ]
            total = {"dimension": "total", "member": "all", "attribution_model": "none", "is_complete": True}
            days = [
                {"kpi_id": "sessions", "period_start": day, "period_end": day, "value": value, **total}
                for day, value in sessions.items()
            ]
            month = self.today.replace(day=1)
            of_spend = {
                "kpi_id": "marketing_spend",
                "period_start": month,
                "period_end": self.today,
                "value": spend,
                **total,
            }
            tag = {
                "month_start": month,
                "finding": "spaces",
                "tag_value": campaign,
                "spend_at_risk": spend_at_risk,
                "meaning": "The value has blanks.",
                "fix": f'Use _ instead of the blanks in "{campaign}".',
            }
            for table, rows in (
                ("kpi.dim_kpi", kpis),
                ("kpi.fct_kpi_daily", days),
                ("kpi.fct_kpi_monthly", [of_spend]),
                ("marts.audit_utm", [tag]),
            ):
                if rows:
                    connection.register("rows", pa.Table.from_pylist(rows))
                    connection.execute(f"insert into {table} by name from rows")
            connection.execute("commit")

    def run(self, failure: str = "") -> None:
        """A run of a job that is called as the refresh: it publishes, or fails of this."""

        @dg.op(out=dg.Out(dg.Nothing))
        def work(context) -> None:  # type: ignore[no-untyped-def]  # Dagster reads the annotation itself
            if failure:
                raise dg.Failure(failure)
            context.log_event(dg.AssetMaterialization(["published", "funnelhouse"]))

        @dg.job(name="refresh", logger_defs={}, tags={"funnelhouse/mode": "refresh"})
        def refresh() -> None:
            work()

        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        refresh.execute_in_process(instance=self.dagster(), raise_on_error=False, run_config=quiet)

    def dagster(self) -> dg.DagsterInstance:
        """The run history, which stays open: opening it costs more than a run of these."""
        self._dagster = self._dagster or instance.open_instance(self.settings.home)
        return self._dagster

    def look(self) -> Looked:
        return look(self.settings, self._dagster)

    def tell(self, now: datetime = NIGHT) -> list[str]:
        return alerts.tell(self.settings, self.look(), now)
