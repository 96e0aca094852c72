"""What tests of ad platforms share: reading a stream to its end, and what the company's ads did on a network."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from dagster_project.sandbox import Sandbox
from dagster_project.sandbox.company import networks
from dagster_project.wire.contract import Stream, Tally, Window


class Stuck:
    """A body that does not come for a second, however often it is asked for."""

    def __iter__(self) -> Iterator[bytes]:
        time.sleep(1)
        yield b"{}"


def read_all(stream: Stream, settings: Any, window: Window, seconds: float = math.inf) -> tuple[pa.Table, Tally]:
    """All rows, in the order of their key; each page is as the stream declares it. `seconds`: how long the read may last."""
    tally = Tally(until=time.monotonic() + seconds)
    pages = list(stream.read(settings, window, tally) if stream.read else stream.sweep(settings, tally))  # type: ignore[misc]
    for page in pages:
        assert page.rows.schema.equals(stream.schema)
        assert page.rows.num_rows
    table = pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)])
    return table.sort_by([(name, "ascending") for name in stream.key]), tally


def truth(sandbox: Sandbox, network: str, window: Window) -> list[networks.AdDay]:
    """What the network shows of the window's days at the sandbox's moment."""
    shown = networks.days_as_of(sandbox.company.seed, network, sandbox.clock.now())
    return [each for each in shown if each.day in window]


def sums(table: pa.Table, by: Sequence[str], names: Sequence[str]) -> dict[tuple[Any, ...], list[Any]]:
    """Sums of columns by key; nothing is 0."""
    found: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0] * len(names))
    for row in table.to_pylist():
        key = tuple(row[name] for name in by)
        found[key] = [before + (row[name] or 0) for before, name in zip(found[key], names, strict=True)]
    return dict(found)
