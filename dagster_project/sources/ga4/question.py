"""What is asked of GA4 for a stream, in words: Google's own classes, which take a second to load, come in when it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dagster_project.wire.contract import Stream

SOURCE_MEDIUM = "sessionSourceMedium"  # two columns for one of the nine dimensions: "google / cpc"
DATE_RANGES = "dateRange"  # the API has no dimension for quarters, nor for weeks that do not start on Monday
PAGE_ROWS = 250_000  # the most that the API gives


@dataclass(frozen=True)
class Question:
    """One report of a stream: `dimensions` maps the stream's columns to the API's names, beside `time`.

    `time` is the API's dimension that tells the period, or DATE_RANGES. `constants` are columns that the
    whole report shares. `only` filters: (field, exact value). The API allows 9 dimensions, and counts the
    field of a filter among them ("limited to 9 dimensions within a nested request. This request is for 10").
    """

    stream: Stream
    time: str
    dimensions: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, str] | None = None

    @property
    def metrics(self) -> list[str]:
        return [f.name for f in self.stream.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]

    @property
    def api_dimensions(self) -> list[str]:
        period = [] if self.time == DATE_RANGES else [self.time]
        return list(dict.fromkeys([*period, *self.dimensions.values()]))
