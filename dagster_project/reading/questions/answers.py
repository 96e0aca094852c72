"""The answers: rows of the KPI tables as they stand, each with formula, unit, finality, quality and what must be said.

Nothing is computed but differences of two values that are both shown. Who people are is in no answer: salespeople appear
by the id that their CRM gives them, and what looks like an e-mail address is left out of every name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import duckdb

from dagster_project import kpis
from dagster_project.kpis import QuestionError
from dagster_project.kpis.catalogue import NO_MODEL, TOTAL
from dagster_project.reading import style
from dagster_project.reading.questions import sentences
from dagster_project.reading.questions.arguments import (
    AskKpi,
    ComparePeriods,
    ExplainValue,
    ListKpis,
    SourceState,
)
from dagster_project.wire.identity import redact_addresses

Answer = dict[str, Any]
Connection = duckdb.DuckDBPyConnection
MUST_SAY = "must_say"
MOST_PARTS = 25
LONGEST_NAME = 200
LATE_AFTER_DAYS = 1
_FACTS = (
    "value", "reason", "numerator", "denominator", "sample_size", "low_n", "ci_low", "ci_high", "is_final", "is_complete",
    "is_mature", "quality", "previous_value", "previous_change", "year_ago_value", "year_ago_change", "target_value",
    "target_to_date", "target_status", "definition_version",
)  # fmt: skip
_ALWAYS = ("value", "is_final", "is_complete", "quality")  # the others are left out where they are null


def list_kpis(connection: Connection, today: date, asked: ListKpis) -> Answer:
    """The catalogue."""
    wanted = (asked.about or "").casefold()
    rows = _rows(connection, "select * from kpi.dim_kpi order by headline_position nulls last, tier, kpi_id")
    shown = [
        {**_about(kpi), "default_grain": kpi["default_grain"], "headline": kpi["headline_position"] is not None,
         "is_fed": kpi["streams"] is not None}
        for kpi in rows
        if wanted in " ".join(str(kpi[name]) for name in ("kpi_id", "name", "description", "owner")).casefold()
    ]  # fmt: skip
    if not shown:
        kpis.find_kpi(connection, asked.about or "")  # says which there are
    said = [f"No source that is on feeds {kpi['id']}." for kpi in shown if not kpi["is_fed"]]
    return {"kpis": shown, "grains": list(kpis.GRAINS), MUST_SAY: said}


def ask_kpi(connection: Connection, today: date, asked: AskKpi) -> Answer:
    """One KPI by period, grain, cut, member and model."""
    kpi = kpis.find_kpi(connection, asked.kpi)
    given = asked.first or asked.last
    grain = asked.grain or (kpis.grain_of(given) if given else kpi["default_grain"])
    start = kpis.days_of(connection, asked.first, grain)[0] if asked.first else None
    end = kpis.days_of(connection, asked.last, grain)[1] if asked.last else None
    if start and end and start > end:
        raise QuestionError(f"The first period, {asked.first}, is after the last, {asked.last}: turn them round")
    rows = kpis.show(
        connection,
        asked.kpi,
        by=asked.cut,
        grain=grain,
        model=asked.model,
        member=asked.member,
        start=start,
        end=end,
        periods=None if asked.first else 12 if asked.cut == TOTAL else 1,
        most=asked.most_rows + 1,
    )
    if not rows:
        raise QuestionError(_nothing(connection, kpi, asked.cut, grain))
    shown = rows[: asked.most_rows]
    said = sentences.of_rows(kpi, shown, grain, today)
    if len(rows) > len(shown):
        said.append(
            f"There are more rows than these {len(shown)} (the newest periods, in each the largest members first): ask for "
            "fewer periods, one member or a coarser grain, and do not take them for the whole."
        )
    return {
        "kpi": _about(kpi), "grain": grain, "cut": asked.cut, "attribution_model": _model_of(shown),
        "rows": [_fact(row, kpi, grain, asked.cut) for row in shown], MUST_SAY: said,
    }  # fmt: skip


def explain_value(connection: Connection, today: date, asked: ExplainValue) -> Answer:
    """One value: numerator and denominator in words, its parts, what moved it and the source days behind it."""
    found = kpis.explain(connection, asked.kpi, asked.period, by=asked.cut, model=asked.model)
    kpi, grain = found.kpi, kpis.grain_of(asked.period)
    parts = found.parts[:MOST_PARTS]
    rows = [*_there(found.row), *parts]
    said = sentences.of_rows(kpi, rows, grain, today)
    if len(found.parts) > len(parts):
        said.append(f"Only the {len(parts)} largest of {len(found.parts)} parts are here.")
    if len(found.drivers) > MOST_PARTS:
        said.append(
            f"moved_by has only the {MOST_PARTS} largest of {len(found.drivers)} parts: they do not add up to the change."
        )
    if rows[0]["period_end"] < today:  # else they are still to come
        said += [f"{missing} days of {stream} are missing." for stream, missing in _missing(found.source_days)]
    return {
        "kpi": _about(kpi), "grain": grain, "cut": asked.cut, "attribution_model": _model_of(rows),
        "numerator_is": kpi["numerator"], "denominator_is": kpi["denominator"],
        "row": _fact(found.row, kpi, grain, TOTAL) if found.row else None,
        "parts": [_fact(part, kpi, grain, asked.cut) for part in parts],
        "moved_by": [_part(part) for part in found.drivers[:MOST_PARTS]],
        "source_days": [_plain(row) for row in found.source_days], MUST_SAY: said,
    }  # fmt: skip


def _part(driver: Mapping[str, Any]) -> Answer:
    """A part of the change against the period before (kpi.fct_kpi_drivers), in the unit of the KPI."""
    names = ("effect", "contribution", "compared_with", "value_before", "value_after")
    return _plain({"member": _name(driver["member"]), **{name: driver[name] for name in names}})


def _there(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row] if row else []


def _missing(source_days: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return [(f"{row['source']}/{row['stream']}", row["days_missing"]) for row in source_days if row["days_missing"]]


def compare_periods(connection: Connection, today: date, asked: ComparePeriods) -> Answer:
    """What changed between two periods: the whole, and member by member of a cut, the largest difference first."""
    grain = kpis.grain_of(asked.after)
    if grain != (other := kpis.grain_of(asked.before)):
        raise QuestionError(f"{asked.before} is a {other} and {asked.after} a {grain}: compare periods of one length")
    before, after = (
        kpis.explain(connection, asked.kpi, period, by=asked.cut, model=asked.model)
        for period in (asked.before, asked.after)
    )
    kpi = after.kpi
    was = {part["member"]: part for part in before.parts}
    now = {part["member"]: part for part in after.parts}
    members = [_change(was.get(name), now.get(name), kpi, name) for name in dict.fromkeys([*now, *was])]
    members.sort(key=lambda change: -abs(change.get("difference") or 0))
    rows = [*_there(after.row), *_there(before.row), *after.parts, *before.parts]
    said = sentences.of_rows(kpi, rows, grain, today)
    if len(members) > MOST_PARTS:
        said.append(f"Only the {MOST_PARTS} members of {len(members)} that changed most are here.")
    if members and kpi["additivity"] == "additive":
        said.append(
            "A member that is null on one side has no row there: nothing was seen of it in the days that were read."
        )
    return {
        "kpi": _about(kpi), "grain": grain, "cut": asked.cut, "attribution_model": _model_of(rows),
        "before": _fact(before.row, kpi, grain, TOTAL) if before.row else None,
        "after": _fact(after.row, kpi, grain, TOTAL) if after.row else None,
        "change": _change(before.row or None, after.row or None, kpi, "all") if before.row or after.row else None,
        "members": members[:MOST_PARTS], MUST_SAY: said,
    }  # fmt: skip


def _change(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, kpi: Mapping[str, Any], name: str
) -> Answer:
    """`difference`: after less before, in the KPI's own unit (a rate's in its fraction); `relative`: of before."""
    was, now = (row["value"] if row else None for row in (before, after))
    said: Answer = {"member": _name(name)}
    for side, row in (("before", before), ("after", after)):
        said[side] = {part: row[part] for part in ("value", "numerator", "denominator")} if row else None
    if was is not None and now is not None:
        said["difference"] = now - was
        if was and kpi["change"] == "relative":
            said["relative"] = (now - was) / abs(was)
    return said


def source_state(connection: Connection, today: date, asked: SourceState) -> Answer:
    """How far each stream reaches, when it was read last, until which day its source restates nothing any more."""
    rows = _rows(
        connection,
        """
        select source, stream, kind, min(date_day) as first_day, max(date_day) as last_day, sum(rows)::bigint as rows,
            max(extracted_at) as last_changed_at, max(checked_on) as checked_on, max(restate_days) as restated_for_days,
            max(date_day) filter (date_day < $today::date - coalesce(restate_days, 0)) as final_through,
            if(kind = 'report', max(date_day) - min(date_day) + 1 - count(*), null) as days_missing
        from staging.stg_meta__days
        where coalesce(period, 'day') = 'day' and domain <> 'config' and source = coalesce($source, source)
        group by source, stream, kind order by source, stream
        """,
        {"today": today, "source": asked.source},
    )
    if not rows:
        known = _rows(
            connection, "select distinct source from staging.stg_meta__days where domain <> 'config' order by 1"
        )
        raise QuestionError(
            f"There is no such source. Sources: {', '.join(row['source'] for row in known) or 'none was read yet'}"
        )
    said = []
    for row in rows:
        name = f"{row['source']}/{row['stream']}"
        if row["checked_on"] and (days := (today - row["checked_on"]).days) > LATE_AFTER_DAYS:
            said.append(f"{name} is late: it was read last {days} days ago, what rests on it may be out of date.")
        if row["kind"] != "report":
            row["final_through"] = None  # records change whenever somebody edits them
        elif row["final_through"] is None or row["final_through"] < row["last_day"]:
            said.append(f"{name} may still be restated after {row['final_through'] or 'its first day'}.")
        if row["days_missing"]:
            said.append(f"{name} lacks {row['days_missing']} days between its first and last.")
    return {"sources": [_plain(row) for row in rows], MUST_SAY: said}


# ---- parts of an answer ---------------------------------------------------------------------------------------


def _about(kpi: Mapping[str, Any]) -> Answer:
    return {
        "id": kpi["kpi_id"], "name": kpi["name"], "says": kpi["description"], "formula": kpi["formula"], "unit": _unit(kpi),
        "good_is": kpi["direction"], "owner": kpi["owner"], "additivity": kpi["additivity"], "cuts": kpi["dimensions"].split(", "),
        "cuts_with_attribution_models": (kpi["model_dimensions"] or "").split(", ") if kpi["model_dimensions"] else [],
        "definition_version": kpi["definition_version"],
    }  # fmt: skip


def _unit(kpi: Mapping[str, Any]) -> str:
    return {
        "money": kpi["currency_code"] or "money", "rate": "share, as a fraction (0.25 is 25 %)",
        "percent": "fraction (0.25 is 25 %)",
    }.get(kpi["unit"], kpi["unit"])  # fmt: skip


def _fact(row: Mapping[str, Any], kpi: Mapping[str, Any], grain: str, cut: str) -> Answer:
    """One row of a KPI table, and `shown`: its value as people read it, or why there is none."""
    unit, currency = kpi["unit"], kpi["currency_code"] or ""
    shown = style.value_of(row, unit) if row["value"] is None else style.with_unit(row["value"], unit, currency)
    return _plain(
        {
            "period": style.period(row["period_start"], grain),
            "first_day": row["period_start"],
            "last_day": row["period_end"],
            **({"member": _name(row["member"])} if cut != TOTAL else {}),
            "shown": shown,
            **{name: row[name] for name in _FACTS if row[name] is not None or name in _ALWAYS},
        }
    )


def _model_of(rows: Sequence[Mapping[str, Any]]) -> str | None:
    models = {row["attribution_model"] for row in rows} - {NO_MODEL}
    return models.pop() if models else None


def _nothing(connection: Connection, kpi: Mapping[str, Any], cut: str, grain: str) -> str:
    table = f"kpi.{kpis.table_name(grain)}"
    [reach] = _rows(
        connection,
        f"select min(period_start) as first, max(period_start) as last from {table} where kpi_id = $kpi and dimension = $cut",
        {"kpi": kpi["kpi_id"], "cut": cut},
    )
    if reach["first"] is None:
        return f"{kpi['kpi_id']} by {cut} has no rows by {grain}: no source feeds it yet"
    first, last = (style.period(reach[side], grain) for side in ("first", "last"))
    return f"{kpi['kpi_id']} by {cut} has no rows there: it has them from {first} to {last}"


def _name(member: str) -> str:
    """Without e-mail addresses, and short enough to be read. Cut first: to look for an address in n letters takes n² steps."""
    name = redact_addresses(member[: 2 * LONGEST_NAME]) or ""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"


def _plain(row: Mapping[str, Any]) -> Answer:
    return {name: value.isoformat() if isinstance(value, date | datetime) else value for name, value in row.items()}


def _rows(connection: Connection, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, values or {})
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
