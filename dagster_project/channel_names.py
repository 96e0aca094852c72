"""The names of channels: those that everybody has, as the seeds of dbt_project list them, and how a name is recognised."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SEEDS = Path(__file__).resolve().parents[1] / "dbt_project" / "seeds"
NO_CHANNEL = "(unattributed)"  # credit without a touch: nobody names it


@cache
def standard_channels() -> tuple[str, ...]:
    """The channels that need no declaration, in the order of lists."""
    with open(SEEDS / "channels.csv", encoding="utf-8") as file:
        return tuple(row["channel"] for row in csv.DictReader(file) if row["channel"] != NO_CHANNEL)


@cache
def words_for_channels() -> frozenset[str]:
    """Other words for a channel that CRM exports use: `seo`, `organic_search`, `newsletter`."""
    with open(SEEDS / "crm_sources.csv", encoding="utf-8") as file:
        return frozenset(row["crm_source"] for row in csv.DictReader(file) if row["crm"] == "files")


def spelled(name: str, channels: Iterable[str]) -> str | None:
    """The channel among `channels` that `name` is, in any letter case; None if it is none of them."""
    return {channel.casefold(): channel for channel in channels}.get(" ".join(name.split()).casefold())


def is_word_for_a_channel(name: str) -> bool:
    """Whether the warehouse knows `name` as another word for a channel (macros read it the same way)."""
    return name.strip().lower().replace(" ", "_").replace("-", "_") in words_for_channels()
