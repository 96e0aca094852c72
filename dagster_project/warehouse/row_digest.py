"""One number for a set of rows, to see whether a set is what it was: an SQL aggregate for DuckDB.

Whatever differs makes another number: a value, null for a value, two columns or two rows that swap values, a row that
is there twice. Order makes none. A set is the sum, modulo 2^64, of numbers that are mixed row by row; two such sums
are 128 bits. What must not be done instead, each seen to hide changes (DuckDB 1.5):

* `bit_xor(hash(row))`: DuckDB's `hash(a, b)` is mix(hash(a)) xor hash(b), so two rows whose last columns change
  alike cancel each other out, and so do two rows that swap them. (A plain sum only makes it less likely.)
* `hash` of a 128-bit integer or of a decimal of more than 18 digits is the xor of its halves' hashes: -1 is 0.

md5 over each row as text would do as well and takes ten times as long (2.6 instead of 0.25 CPU s a million rows).
"""

from __future__ import annotations

import re

import duckdb

_LOW = "18446744073709551615::hugeint"  # the lower 64 bits of a sum


def digest_of(connection: duckdb.DuckDBPyConnection, relation: str, *, without: tuple[str, ...] = ()) -> str:
    """The aggregate (uhugeint; null over no rows) over all columns of `relation` but those `without`."""
    columns = [row[:2] for row in connection.execute(f"describe from {relation}").fetchall() if row[0] not in without]
    values = [expression for name, kind in columns for expression in _values(f'"{name}"', kind)]
    names = "'" + ",".join(name for name, _ in columns).replace("'", "''") + "'"
    first, second = (f"sum(hash(hash({', '.join(those)}))) & {_LOW}" for those in (values, [names, *values]))
    return f"((({first})::uhugeint << 64) | ({second})::uhugeint)"


def _values(column: str, kind: str) -> list[str]:
    """A column as `hash` tells its values apart."""
    decimal = re.fullmatch(r"DECIMAL\((\d+),\d+\)", kind)
    is_of_two_halves = kind in ("HUGEINT", "UHUGEINT") or (decimal is not None and int(decimal[1]) > 18)
    return [column, f"{column} < 0"] if is_of_two_halves else [column]
