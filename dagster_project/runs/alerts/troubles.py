"""What is wrong in a home right now, one `Trouble` a cause: runs, sources, refused rows, unusual KPIs, spend at risk.

Each look is a function of its own in `LOOKS`, and adds nothing but itself. A look that cannot see (no history, no publish,
a disk that is away) says so: what it saw before is then neither said to be over nor forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import dagster as dg
import duckdb

from dagster_project import ingest
from dagster_project.ingest import freshness
from dagster_project.kpis.anomalies import HISTORY_DAYS, judged
from dagster_project.publish import DATABASE
from dagster_project.raw.zone import RawZone
from dagster_project.runs.last_runs import besides, last_runs, why
from dagster_project.settings import Settings
from dagster_project.wire import Stream

DRIFT = "DriftError"
OLD_NEWS_DAYS = 7  # an unusual day that is older is no news: its source is late
NETWORK_SOURCES = 3  # so many that all fail have one cause


@dataclass(frozen=True)
class Trouble:
    """`cause` names it, and is the same as long as it lasts; `items`: what is touched -> what is wrong with it."""

    kind: str
    cause: str
    title: str
    items: Mapping[str, str]
    command: str
    why: str = ""
    kpis: tuple[str, ...] = ()
    is_critical: bool = False


@dataclass
class Scene:
    """What looks look at; `published` and `dagster` are None where there is none."""

    settings: Settings
    zone: RawZone
    published: duckdb.DuckDBPyConnection | None
    dagster: dg.DagsterInstance | None
    _kpis: dict[str, set[str]] | None = None

    def on(self) -> list[Stream]:
        return [stream for stream in ingest.streams() if ingest.is_on(self.settings, stream)]

    def kpis_of(self, streams: list[str]) -> tuple[str, ...]:
        """The KPIs that rest on one of these streams, by what readers see."""
        if self._kpis is None:
            rows = (
                self.published.execute("select kpi_id, streams from kpi.dim_kpi").fetchall() if self.published else []
            )
            self._kpis = {kpi: {each.strip() for each in (names or "").split(",")} for kpi, names in rows}
        return tuple(sorted(kpi for kpi, names in self._kpis.items() if names & set(streams)))


class Blind(Exception):
    """A look has nothing to look at yet."""


@dataclass
class Looked:
    """`blind`: the looks that could not see, and why; "" where there is nothing to look at yet."""

    troubles: list[Trouble] = field(default_factory=list)
    blind: dict[str, str] = field(default_factory=dict)


def look(settings: Settings, dagster: dg.DagsterInstance | None) -> Looked:
    """All that is wrong. Reads the raw zone's record of itself, the published copy and the history; locks nothing."""
    looked, path = Looked(), settings.published_folder / DATABASE
    try:
        published = duckdb.connect(str(path), read_only=True) if path.exists() else None
        looked_at = Scene(settings, RawZone(settings.raw_root), published, dagster)
    except duckdb.Error as error:
        return Looked([], dict.fromkeys(LOOKS, f"{path} cannot be read: {error}"))
    try:
        for kind, each in LOOKS.items():
            try:
                looked.troubles += each(looked_at)
            except Blind:
                looked.blind[kind] = ""
            except Exception as error:  # whatever is damaged in a home, the other looks still see
                looked.blind[kind] = str(error) or type(error).__name__
    finally:
        if published:
            published.close()
    return looked


# ---- the looks ---------------------------------------------------------------------------------------------


def _runs(scene: Scene) -> Iterator[Trouble]:
    """The last run that is over: it published nothing, or failed in something beside streams."""
    if scene.dagster is None:
        raise Blind
    last = next((run for run in last_runs(scene.dagster) if run.is_over), None)
    if last is None or last.how == "done":
        return
    if not last.has_published:
        reason = why(scene.dagster, last, scene.settings)
        yield Trouble(
            "run",
            "run",
            f"the last {last.mode} ended without a publish: it was {last.how}" if last.how != "failed" else f"the last {last.mode} failed",
            {"published": "readers see what they saw before"},
            "funnelhouse refresh",
            why=reason,
            kpis=("all",),
            is_critical=True,
        )  # fmt: skip
    elif also := besides(scene.dagster, last):
        yield Trouble(
            "run",
            "run besides",
            "published, but not everywhere",
            {f"{number}": said for number, said in enumerate(also, 1)},
            "funnelhouse refresh",
        )


def _sources(scene: Scene) -> Iterator[Trouble]:
    """Streams that could not be read, or were not read for days; those of one source have one cause."""
    on = scene.on()
    late = freshness.late(scene.zone, on, scene.settings.today)
    if not any(scene.zone.last_checked(stream) or scene.zone.failure(stream) for stream in on):
        raise Blind  # nothing was loaded yet
    failing: dict[str, dict[str, str]] = {}
    drifted: dict[str, dict[str, str]] = {}
    for stream in on:
        error, kind = scene.zone.failure(stream) or ("", "")
        if error or stream.id in late:
            said = "; ".join(part for part in (error, late.get(stream.id, "")) if part)
            (drifted if kind == DRIFT else failing).setdefault(stream.source, {})[stream.id] = said
    asked = {stream.source for stream in on if not ingest.is_local(stream)}
    unread = {source for source in asked if _all_fail(source, on, failing)}
    if len(unread) >= NETWORK_SOURCES and unread == asked:
        items = {stream: said for source in sorted(unread) for stream, said in failing.pop(source).items()}
        yield Trouble(
            "source",
            "source network",
            f"none of the {len(unread)} sources that are asked over the network could be read",
            items,
            "funnelhouse doctor",
            why="as none answers, it is more likely the way to them (network, proxy, clock) than they themselves",
            kpis=scene.kpis_of(list(items)),
            is_critical=True,
        )
    for source, items in failing.items():
        yield Trouble(
            "source",
            f"source {source}",
            f"{source}: {_count(len(items), 'stream')} could not be read",
            items,
            f"funnelhouse doctor; then funnelhouse refresh --source {source}",
            why="what is stored of them stays, and what rests on them is marked stale",
            kpis=scene.kpis_of(list(items)),
        )
    for source, items in drifted.items():
        yield Trouble(
            "source",
            f"drift {source}",
            f"{source}: fields of {_count(len(items), 'stream')} are not those that are declared",
            items,
            f"funnelhouse doctor; then funnelhouse refresh --source {source}",
            why="the vendor, or whoever makes the files, has changed something; nothing of the new rows was taken",
            kpis=scene.kpis_of(list(items)),
            is_critical=True,
        )


def _all_fail(source: str, on: list[Stream], failing: Mapping[str, Mapping[str, str]]) -> bool:
    return all(stream.id in failing.get(source, {}) for stream in on if stream.source == source)


def _refused(scene: Scene) -> Iterator[Trouble]:
    """Rows that are not in the tables, because they could not be read; until they are."""
    items: dict[str, dict[str, str]] = {}
    for stream in scene.on():
        days = {day: both for day, both in scene.zone.refused(stream).items() if any(both)}
        if days:
            items.setdefault(stream.source, {})[stream.id] = refused_words(days)
    for source, of_source in items.items():
        yield Trouble(
            "refused",
            f"refused {source}",
            f"{source}: rows of {_count(len(of_source), 'stream')} were refused",
            of_source,
            f"funnelhouse doctor names the first ones; mend them at the source, then funnelhouse refresh --source {source}",
            why="they could not be read, and are not in any figure",
            kpis=scene.kpis_of(list(of_source)),
        )


def refused_words(days: Mapping[date | None, tuple[int, int]]) -> str:
    rows, cells = (sum(each[n] for each in days.values()) for n in (0, 1))
    known = sorted(str(day) for day in days if day)
    said = [_count(rows, "row") + " left out"] * bool(rows) + [_count(cells, "cell") + " left empty"] * bool(cells)
    when = (
        f", on {known[0]}"
        if len(known) == 1
        else f", on {len(known)} days from {known[0]} to {known[-1]}"
        if known
        else ""
    )
    return " and ".join(said) + when


def _unusual_kpis(scene: Scene) -> Iterator[Trouble]:
    """The newest whole day of each watched KPI against what is usual for it."""
    if scene.published is None:
        raise Blind
    rows = scene.published.execute(
        """
        select f.kpi_id, k.name, f.period_start, f.value
        from kpi.fct_kpi_daily as f join kpi.dim_kpi as k using (kpi_id)
        where list_contains($kpis, f.kpi_id) and f.dimension = 'total' and f.attribution_model = 'none'
            and f.is_complete and f.value is not null and f.period_start >= $first
        order by all
        """,
        {
            "kpis": list(scene.settings.rules.alerts.kpis),
            "first": scene.settings.today - timedelta(days=HISTORY_DAYS + OLD_NEWS_DAYS),
        },
    ).fetchall()
    items: dict[str, str] = {}
    days = set()
    for kpi in dict.fromkeys(row[0] for row in rows):
        values = {day: value for each, _, day, value in rows if each == kpi}
        newest = max(values)
        found = judged(values).get(newest)
        if found and found.is_unusual and (scene.settings.today - newest).days <= OLD_NEWS_DAYS:
            days.add(newest)
            items[kpi] = f"{found.value:,.0f} on {newest} where {found.usual:,.0f} are usual ({found.change:+.0%})"
    if items:
        first = next(iter(items))
        yield Trouble(
            "kpi",
            "kpi",
            f"{_count(len(items), 'KPI')} far from usual on {max(days)}",
            items,
            f"funnelhouse explain {first} --period {max(days)} --by channel",
            why="against the same weekdays of eight weeks; a campaign, a holiday, a lost tag or a broken form are the usual causes",
            kpis=tuple(items),
        )  # fmt: skip


def _spend_at_risk(scene: Scene) -> Iterator[Trouble]:
    """Findings of the UTM audit that hold a large share of the spend of this month and the last."""
    if scene.published is None:
        raise Blind
    rows = scene.published.execute(
        """
        with months as (
            select max(month_start) as last_month from marts.audit_utm
        ),

        spend as (
            select sum(value) as amount, any_value(k.currency_code) as currency
            from kpi.fct_kpi_monthly as f join kpi.dim_kpi as k using (kpi_id), months
            where f.kpi_id = 'marketing_spend' and f.dimension = 'total'
                and f.period_start between last_month - interval 1 month and last_month
        )

        select finding, sum(spend_at_risk), any_value(amount), any_value(currency), any_value(meaning),
            arg_max(fix, coalesce(spend_at_risk, 0))
        from marts.audit_utm, months, spend
        where month_start between last_month - interval 1 month and last_month
        group by finding
        having sum(spend_at_risk) >= greatest(any_value(amount) * $share, 0.01)
        order by 2 desc
        """,
        {"share": scene.settings.rules.alerts.spend_at_risk},
    ).fetchall()
    if any(spend is None for _, _, spend, *_ in rows):
        raise Blind  # what was spent in all has no data, such as without exchange rates: no share of it is known
    items = {
        finding: f"{at_risk:,.0f} {currency or ''} of {spend:,.0f}: {meaning} {fix}"
        for finding, at_risk, spend, currency, meaning, fix in rows
    }
    if items:
        yield Trouble(
            "spend",
            "spend",
            f"spend at risk under {_count(len(items), 'finding')} of the UTM audit",
            items,
            "funnelhouse show marketing_spend --by channel; each tag stands in the report and in marts.audit_utm",
            why="of this month and the last; tags that are wrong put spend and what it brought under different names",
            kpis=("cac_media", "cpl", "roas", "romi"),
        )


LOOKS: dict[str, Callable[[Scene], Iterator[Trouble]]] = {
    "run": _runs,
    "source": _sources,
    "refused": _refused,
    "kpi": _unusual_kpis,
    "spend": _spend_at_risk,
}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
