"""Followers as every network's reader gives them: a row an account and day of looking, true of that day alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.rest import each_account


def followers_stream(
    source: str,
    name: str,
    fields: Sequence[tuple[str, pa.DataType]],
    read: Callable[[Any, Window, Tally], Iterator[Page]],
    description: str,
    *,
    is_on: Callable[[Any], bool] = lambda _settings: True,
) -> Stream:
    """Grain: date, account. `fields`: what the network says of an account, by its own names."""
    return Stream(
        source=source,
        name=name,
        domain="social",
        kind="snapshot",
        key=("account_id", "date"),
        schema=schema(("date", pa.date32()), *fields),
        day="date",
        restate_days=0,  # there is no other moment than now
        deep_restate_days=0,
        is_on=is_on,
        feeds=("followers",),
        read=read,
        description=description,
    )


def looked_at(
    stream: Stream,
    accounts: Sequence[str],
    look: Callable[[str], Mapping[str, Json]],
    window: Window,
    tally: Tally,
    *,
    count: str,
) -> Iterator[Page]:
    """A row for each account, from what `look` finds. `count`: the field with the followers; without it there is no row
    but a DriftError. One account that cannot be read does not lose the others."""

    def of_account(account: str) -> Iterator[Page]:
        record = {**look(account), "date": window.last, "account_id": account}
        yield Page(to_table(stream, [record], required=(count,)))

    yield from each_account(accounts, of_account, tally)
