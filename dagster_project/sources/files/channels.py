"""Channels that files name: as they are declared, or told as unknown."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.channel_names import is_word_for_a_channel, spelled


def declared(column: pa.Array, channels: Sequence[str], *, may_be_words: bool) -> tuple[pa.Array, pa.Array]:
    """The column with each channel as it is declared, and where it names one that nobody declared.

    `may_be_words`: other words for a channel (seo, organic_search) are kept, for the warehouse knows them.
    """
    seen = column.unique().drop_null()
    meant = [spelled(name, channels) for name in seen.to_pylist()]
    if may_be_words:
        meant = [m or (n if is_word_for_a_channel(n) else None) for m, n in zip(meant, seen.to_pylist(), strict=True)]
    place = pc.index_in(column, value_set=seen)
    named = pa.array(meant, pa.string()).take(place)
    is_empty = pc.equal(pc.utf8_trim_whitespace(column), "")
    return named, pc.fill_null(pc.and_not(pc.and_(pc.is_null(named), pc.is_valid(column)), is_empty), False)
