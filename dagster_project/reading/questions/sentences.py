"""What must be said with a number: the period runs, is not final, lacks days, rests on few cases or on a model ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from dagster_project.kpis.catalogue import NO_MODEL
from dagster_project.reading import style

Row = Mapping[str, Any]
NAMED = 6  # periods that a sentence names; of more it says how many


def of_rows(kpi: Row, rows: Sequence[Row], grain: str, today: date) -> list[str]:
    """The sentences that go with fact rows of one KPI, each with the periods that it is about; none where all is well."""

    def runs(row: Row) -> bool:
        return row["period_end"] >= today

    def lacks_days(row: Row) -> bool:
        return style.INCOMPLETE in style.flags(row["quality"]) or (not runs(row) and not row["is_complete"])

    conditions: list[tuple[Callable[[Row], bool], str]] = [
        (runs, "The period is not over: the number will change, and its comparisons are with as many days"),
        (lacks_days, "Incomplete: days, or one source of several, are missing"),
        (lambda row: not runs(row) and not row["is_final"], "Not final yet: a source may still restate its days"),
        (lambda row: not row["is_mature"], "Too young: those who came in the period have not had their whole time yet"),
        (lambda row: bool(row["low_n"]), "Few cases (fewer than 30 of a rate, fewer than 10 of anything else): do not read much into it"),
    ]  # fmt: skip
    said = [
        f"{sentence} ({_where(found, rows, grain)})."
        for is_so, sentence in conditions
        if (found := list(filter(is_so, rows)))
    ]
    for reason in dict.fromkeys(row["reason"] for row in rows if row["value"] is None):
        found = [row for row in rows if row["value"] is None and row["reason"] == reason]
        said.append(f"No value, which is not zero: {style.REASONS.get(reason, reason)} ({_where(found, rows, grain)}).")
    flags = dict.fromkeys(flag for row in rows for flag in style.flags(row["quality"]) if flag != style.INCOMPLETE)
    for flag in flags:
        found = [row for row in rows if flag in style.flags(row["quality"])]
        said.append(f"Quality of the days behind it: {flag} ({_where(found, rows, grain)}).")
    return [*said, *_of_models(rows), *_of_sums(kpi, rows)]


def _of_models(rows: Sequence[Row]) -> list[str]:
    models = [model for model in dict.fromkeys(row["attribution_model"] for row in rows) if model != NO_MODEL]
    return [
        f"Credit is given by the attribution model {model}: say so, another model gives another number."
        for model in models
    ]


def _of_sums(kpi: Row, rows: Sequence[Row]) -> list[str]:
    if len(rows) < 2 or kpi["additivity"] == "additive":
        return []
    return [
        f"Do not add up or average these values ({kpi['additivity']}): ask for the total, or for a coarser grain, instead."
    ]


def _where(found: Sequence[Row], rows: Sequence[Row], grain: str) -> str:
    """The periods, and how many rows of how many: names of members come from outside and are in no sentence of ours."""
    places = list(dict.fromkeys(style.period(row["period_start"], grain) for row in found))
    more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
    count = f": {len(found)} of {len(rows)} rows" if len({row["member"] for row in rows}) > 1 else ""
    return ", ".join(places[:NAMED]) + more + count
