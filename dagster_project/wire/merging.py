"""Rows that have become one: counts add up, averages are weighted anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc


def merged(rows: pa.Table, key: Sequence[str], *, sums: Sequence[str], averages: Mapping[str, str]) -> pa.Table:
    """A row for each key, where some have come to share one: their personal parts are gone. `averages`: column -> the count
    that weights it, one of `sums`. Of any other column the smallest value stands."""
    if rows.num_rows == rows.group_by(list(key)).aggregate([]).num_rows:
        return rows
    names = rows.schema.names
    weighted = rows
    for name, count in averages.items():
        weighted = weighted.append_column(f"{name} x {count}", pc.multiply(rows[name], rows[count].cast(pa.float64())))
    rest = [name for name in names if name not in (*key, *sums)]
    found = weighted.group_by(list(key), use_threads=False).aggregate(
        [
            *((name, "sum") for name in sums),
            *((f"{name} x {count}", "sum") for name, count in averages.items()),
            *((name, "min") for name in rest),
        ]
    )
    columns = {name: found[name] for name in key}
    columns |= {name: found[f"{name}_sum"] for name in sums} | {name: found[f"{name}_min"] for name in rest}
    for name, count in averages.items():
        counted = found[f"{count}_sum"]
        average = pc.divide(
            found[f"{name} x {count}_sum"], pc.if_else(pc.equal(counted, 0), None, counted).cast(pa.float64())
        )
        columns[name] = pc.coalesce(average, columns[name])
    return pa.table([columns[name] for name in names], names=names).cast(rows.schema)
