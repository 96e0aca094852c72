"""The index of the raw zone, `_meta/*.parquet`: what dbt knows of days, streams, subjects and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dagster_project.raw.days import day_of, moment_of

DAYS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("domain", pa.string()),
        ("kind", pa.string()),
        ("period", pa.string()),
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("content_hash", pa.string()),
        ("extracted_at", pa.timestamp("us", tz="UTC")),
        ("checked_on", pa.date32()),
        ("restate_days", pa.int32()),
        ("sampled_share", pa.float64()),
        ("is_thresholded", pa.bool_()),
        ("has_other_row", pa.bool_()),
        ("is_truncated", pa.bool_()),
        ("quality", pa.string()),
    ]
)
STREAMS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("domain", pa.string()),
        ("kind", pa.string()),
        ("is_on", pa.bool_()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("last_ok_at", pa.timestamp("us", tz="UTC")),
        ("checked_on", pa.date32()),
        ("last_attempt_at", pa.timestamp("us", tz="UTC")),
        ("last_error", pa.string()),
        ("is_stale", pa.bool_()),
        ("settles_after_days", pa.int32()),
        ("listed_on", pa.date32()),
        ("asked_from", pa.date32()),
        ("begins_at", pa.timestamp("us", tz="UTC")),
    ]
)
SUBJECTS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("part", pa.string()),
        ("entry", pa.int32()),
        ("subject", pa.string()),
        ("decides", pa.bool_()),
        ("has_range", pa.bool_()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("begins", pa.date32()),
    ]
)
REFUSALS_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("stream", pa.string()),
        ("day", pa.date32()),
        ("rows", pa.int64()),
        ("cells", pa.int64()),
    ]
)


def index_rows(stream: Any, ledger: pa.Table) -> pa.Table:
    count = ledger.num_rows
    qualities = [json.loads(text or "{}") for text in ledger.column("quality").to_pylist()]

    def constant(value: Any, kind: pa.DataType) -> pa.Array:
        return pa.array(_repeat(value, count), kind)

    def said(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([quality.get(name) for quality in qualities], kind)

    columns = {
        "source": constant(stream.source, pa.string()),
        "stream": constant(stream.name, pa.string()),
        "domain": constant(stream.domain, pa.string()),
        "kind": constant(stream.kind, pa.string()),
        "period": constant(stream.period, pa.string()),
        "restate_days": constant(stream.settles_after_days, pa.int32()),
        "sampled_share": said("sampled_share", pa.float64()),
        **{name: said(name, pa.bool_()) for name in ("is_thresholded", "has_other_row", "is_truncated")},
    }
    return pa.Table.from_arrays(
        [columns.get(f.name, ledger.column(f.name) if f.name in ledger.schema.names else None) for f in DAYS_SCHEMA],
        schema=DAYS_SCHEMA,
    )


def part_row(part: Any) -> dict[str, Any]:
    days = {name: getattr(part, name) for name in ("first_day", "last_day", "begins")}
    return {"name": part.name, "feeds": list(part.feeds)} | {n: day and day.isoformat() for n, day in days.items()}


def subject_rows(stream: Any, parts: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """What each part of a stream says something about (SUBJECTS_SCHEMA); `parts` as the last good read left them."""
    whole = {"name": "", "feeds": stream.feeds, "has_range": False}
    every = [whole] if parts is None else [{**part, "has_range": True} for part in parts]
    every = [{**part, "decides": True, "entry": entry} for entry, part in enumerate(every)]
    every.append({**whole, "feeds": stream.informs, "decides": False, "entry": len(every)})
    return [
        {
            "source": stream.source,
            "stream": stream.name,
            "part": part["name"],
            "subject": subject,
            **{name: part[name] for name in ("entry", "decides", "has_range")},
            **{name: day_of(part.get(name)) for name in ("first_day", "last_day", "begins")},
        }
        for part in every
        for subject in part["feeds"]
    ]


def _repeat(value: Any, count: int) -> list[Any]:
    return [value] * count


def overview_row(stream: Any, is_on: bool, ledger: pa.Table, status: Mapping[str, Any]) -> dict[str, Any]:
    days = ledger.column("day").to_pylist()
    return {
        "source": stream.source,
        "stream": stream.name,
        "domain": stream.domain,
        "kind": stream.kind,
        "is_on": is_on,
        "first_day": days[0] if days else None,
        "last_day": days[-1] if days else None,
        "last_ok_at": moment_of(status.get("last_ok_at")),
        "checked_on": day_of(status.get("checked_on")),
        "last_attempt_at": moment_of(status.get("last_attempt_at")),
        "last_error": status.get("last_error"),
        "is_stale": is_on and status.get("last_error") is not None,
        "settles_after_days": stream.settles_after_days,
        "listed_on": day_of(status.get("listed_on")),
        "asked_from": day_of(status.get("asked_from")),
        "begins_at": moment_of(status.get("begins_at")),
    }
