"""Totals of Metrica's reports by day and source: the question, and its answer as rows of one attribution model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from dagster_project.sources.yandex_metrika.settings import YandexMetrikaSettings
from dagster_project.wire.contract import DriftError, Window, schema
from dagster_project.wire.http import Json

# column -> name of the dimension after its attribution
DIMENSIONS = {
    "traffic_source": "TrafficSource",
    "utm_source": "UTMSource",
    "utm_medium": "UTMMedium",
    "utm_campaign": "UTMCampaign",
}
METRICS = {
    "visits": "ym:s:visits",
    "users": "ym:s:users",
    "new_users": "ym:s:newUsers",
    "page_views": "ym:s:pageviews",
    "bounce_rate": "ym:s:bounceRate",
    "goal_reaches": "ym:s:sumGoalReachesAny",
}
NOT_SET = "(not set)"  # Metrica's null: a column of the key needs a word
COUNTS = ("visits", "users", "new_users", "page_views", "goal_reaches")
SCHEMA = schema(
    ("date", pa.date32()),
    *((name, pa.string()) for name in DIMENSIONS),
    *((name, pa.int64()) for name in COUNTS),
    ("bounces", pa.int64()),
    ("attribution", pa.string()),
    ("attribution_answered", pa.string()),
)


def question(settings: YandexMetrikaSettings, counter_id: str, window: Window) -> dict[str, str | int]:
    return {
        "ids": counter_id,
        "date1": str(window.start),
        "date2": str(window.last),
        "dimensions": ",".join(["ym:s:date", *(f"ym:s:<attribution>{name}" for name in DIMENSIONS.values())]),
        "metrics": ",".join(METRICS.values()),
        "attribution": settings.attribution,
        "sort": "ym:s:date",
        "accuracy": "full",
        "include_undefined": "true",
        "lang": "en",
    }


def records(page: Json, attribution: str, where: Mapping[str, str]) -> list[dict[str, Json]]:
    """The rows of a page; a number that cannot be read stays what it is, for the stream's types to judge."""
    answered = str((page.get("query") or {}).get("attribution") or "")
    if answered and _bare(answered) != _bare(attribution):
        raise DriftError(
            f"asked for the attribution model {attribution}, Metrica answered with {answered}: their numbers are not one series; "
            "set YANDEX_METRICA_ATTRIBUTION to a model that it still has",
            **where,
        )
    return [_record(row, attribution, answered or None, where) for row in page["data"]]


def _record(row: Json, attribution: str, answered: str | None, where: Mapping[str, str]) -> dict[str, Json]:
    try:
        dimensions, metrics = row["dimensions"], row["metrics"]
        # a source is known by its id: its name is in the language of the answer
        members = [each.get("id") or each["name"] or NOT_SET for each in dimensions]
        numbers = dict(zip(METRICS, metrics, strict=True))
        found = dict(zip(("date", *DIMENSIONS), members, strict=True))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DriftError(
            f"a row of the report has not {len(DIMENSIONS) + 1} dimensions with names and {len(METRICS)} metrics",
            **where,
        ) from None
    found |= {name: _whole(numbers[name]) for name in COUNTS}
    return found | {
        "bounces": _share_of(numbers["bounce_rate"], numbers["visits"]),
        "attribution": attribution,
        "attribution_answered": answered,
    }


def _whole(number: Json) -> Json:
    """Counts come as 12.0."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _share_of(percent: Json, visits: Json) -> Json:
    """A share is never stored: its count is. Percent of visits is a whole number again."""
    if isinstance(percent, int | float) and isinstance(visits, int | float):
        return round(percent * visits / 100)
    return percent


def _bare(model: str) -> str:
    return model.replace("_", "").lower()


def keys(found: Sequence[Mapping[str, Json]]) -> set[tuple[Json, ...]]:
    return {tuple(row[name] for name in ("date", *DIMENSIONS)) for row in found}
