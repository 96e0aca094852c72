"""Rows that share an id inside one file: line items become one row, negative amounts become refunds of their own.

A shop writes an order's total on its first line item only, a biller writes part refunds under the order's number.
Both are told apart from deliveries that repeat: which of several files is right is `overlaps.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.files.overlaps import FILE, GROUP, ID, codes_of, copy_numbers, joined
from dagster_project.sources.files.stream import IS_DAY


@dataclass
class Remade:
    """Rows that stand in for others. `gone`: mask of the rows that they stand in for; `rows`: the new ones."""

    gone: np.ndarray
    rows: pa.Table
    notes: list[str]


def merged(rows: pa.Table, stand: np.ndarray, newest_by: str | None, money: Sequence[str], label: str) -> Remade | None:
    """One row for the rows that share an id and a file, of those that `stand` (a mask): cell by cell the last
    one that is filled. None where no rows do.

    Rows follow each other by `newest_by` (a moment column), then as they stand in the file. `label` is the column
    to name an id by. Several amounts (`money`) under one id and one moment are told: the last one stands.
    """
    where, codes = _repeated(rows, stand)
    if not len(where):
        return None
    moments = _moments(rows.column(newest_by), where) if newest_by else np.zeros(len(where), dtype=np.int64)
    lines = rows.column("_line").take(pa.array(where)).to_numpy()
    order = np.lexsort((lines, moments, codes))  # rows that had to wait for others were added last
    where, codes, moments = where[order], codes[order], moments[order]
    count = int(codes.max()) + 1
    new = _merged(rows, where, codes, count)
    gone = np.zeros(rows.num_rows, dtype=bool)
    gone[where] = True
    notes = [f"{len(where) - count} rows were merged with the last row of their id in the same file"]
    for name in money:
        notes += _several(rows, where, new, codes, moments, name, label)
    return Remade(gone, new, notes)


def _merged(rows: pa.Table, where: np.ndarray, codes: np.ndarray, count: int) -> pa.Table:
    """The last filled cell of the rows at `where`, column by column, for each code from 0 up to `count`. What goes with
    another cell (whether a moment is a day, the moment that a deal is filed under) is that cell's."""
    new: dict[str, pa.ChunkedArray] = {}
    for name in rows.schema.names:
        decides = rows.column(name.removesuffix(IS_DAY)).is_valid().to_numpy()[where]
        best = np.full(count, -1, dtype=np.int64)
        np.maximum.at(best, codes[decides], np.flatnonzero(decides))
        new[name] = rows.column(name).take(pa.array(where[best], mask=best < 0))
    if "filed_at" in new:
        new["filed_at"] = pc.coalesce(new["created_at"], new["closed_at"])
    return pa.table(list(new.values()), schema=rows.schema)


def refunds_apart(rows: pa.Table, stand: np.ndarray) -> Remade | None:
    """Refunds that stand under the id of their order, each as a row of its own; of rows that `stand`. None without any.

    A refund is a row with a negative amount or `is_refund`; its id is an order's where another row of the id has
    another amount, or where the first one has none. It is named after its order and its moment; a later file
    replaces the refunds of the same order and moment.
    """
    amounts = rows.column("amount")
    zero = pa.scalar(0, amounts.type)
    is_refund = pc.or_(pc.fill_null(pc.less(amounts, zero), False), pc.fill_null(rows.column("is_refund"), False))
    is_refund = is_refund.to_numpy() & stand
    if not is_refund.any():
        return None
    codes = codes_of(joined([rows.column("account_id"), rows.column("order_id")]))
    first = np.full(codes.max() + 1, len(codes), dtype=np.int64)
    np.minimum.at(first, codes, np.arange(len(codes)))
    has_amount = amounts.is_valid().to_numpy()
    is_order = stand & ~is_refund & (has_amount | (first[codes] == np.arange(len(codes))))
    is_orders_id = np.zeros(len(first), dtype=bool)
    is_orders_id[codes[is_order]] = True
    others = rows.column("refund_of")
    names_another = pc.fill_null(pc.not_equal(others, rows.column("order_id")), False).to_numpy()
    apart = is_refund & is_orders_id[codes] & ~names_another
    if not apart.any():
        return None
    refunds = rows.filter(pa.array(apart)).combine_chunks()
    return Remade(
        apart, _named_after_their_orders(refunds), [f"{int(apart.sum())} refunds stand under their order's id"]
    )


def without_sums(rows: pa.Table, stand: np.ndarray, names: Sequence[str], measures: Sequence[str]) -> Remade | None:
    """Without the rows that sum up the others of their file: they name nothing (`names`), and all that they measure is
    exactly what the rows that name something have together. None without any.

    Reports of ad platforms carry such a row without a word in it. One measure that happens to be equal proves nothing:
    two measures have to be, or several rows be summed up. Told by the file and currency.
    """
    nameless = stand.copy()
    for name in names:
        nameless &= rows.column(name).is_null().to_numpy()
    if not nameless.any() or not (stand & ~nameless).any():
        return None
    files = codes_of(joined([rows.column(FILE).cast(pa.string()), rows.column("currency_code")]))
    count = int(files.max()) + 1
    said, others = np.zeros(count, dtype=int), np.bincount(files[stand & ~nameless], minlength=count)
    agrees = np.bincount(files[nameless], minlength=count) > 0
    for measure in measures:
        column = rows.column(measure)
        sums, sums_of_others = (_sums(column, files, mask, count) for mask in (nameless, stand & ~nameless))
        is_same = np.array([a == b for a, b in zip(sums, sums_of_others, strict=True)])
        agrees &= is_same
        said += is_same & np.array([bool(total) for total in sums])
    agrees &= (said > 1) | ((said == 1) & (others > 1))
    gone = nameless & agrees[files]
    if not gone.any():
        return None
    row = rows.slice(int(np.argmax(gone)), 1).to_pylist()[0]
    lines = len(set(zip(files[gone].tolist(), rows.column("_line").filter(pa.array(gone)).to_pylist(), strict=True)))
    return Remade(
        gone,
        rows.slice(0, 0),
        [
            f"{row['account_id']}: {lines} rows that sum up the others of their file were left out, first "
            f"{row['_file']}, line {row['_line']}"
        ],
    )


def _sums(column: pa.ChunkedArray, codes: np.ndarray, mask: np.ndarray, count: int) -> list[Any]:
    """The exact sum of the cells under `mask` for each code; 0 where there are none."""
    cells = column.filter(pa.array(mask))
    if pa.types.is_floating(cells.type):
        cells = pc.round(cells, ndigits=6)
    table = pa.table({"code": codes[mask], "value": cells})
    sums = table.group_by("code").aggregate([("value", "sum")]).to_pydict()
    found = dict(zip(sums["code"], sums["value_sum"], strict=True))
    return [found.get(code) or 0 for code in range(count)]


def _named_after_their_orders(refunds: pa.Table) -> pa.Table:
    orders = refunds.column("order_id")
    seconds = refunds.column("ordered_at").cast(pa.timestamp("s", "UTC"), safe=False)
    moments = pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%S")
    groups = joined([refunds.column("account_id"), orders, moments])
    numbers = copy_numbers(joined([groups, refunds.column(FILE)]))
    tails = pa.array(["" if number == 1 else f":{number}" for number in numbers.tolist()], pa.string())
    ids = pc.binary_join_element_wise(orders, "refund", moments, ":")
    new = {
        "order_id": pc.binary_join_element_wise(ids, pa.chunked_array([tails]), ""),
        "refund_of": orders,
        "is_refund": pa.chunked_array([pa.repeat(pa.scalar(True), len(refunds))]),
        ID: pa.chunked_array([pa.nulls(len(refunds), pa.large_string())]),
        GROUP: groups.cast(pa.large_string()),
    }
    return pa.table([new.get(name, refunds.column(name)) for name in refunds.schema.names], schema=refunds.schema)


def _repeated(rows: pa.Table, stand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of rows whose id is in their file more than once, and a number for each such id and file."""
    codes = codes_of(rows.column(ID))
    among = np.flatnonzero((codes >= 0) & stand)
    files = rows.column(FILE).to_numpy().astype(np.int64)[among]
    both = codes[among] * (int(files.max(initial=0)) + 1) + files
    order = np.argsort(both, kind="stable")
    same = np.flatnonzero(np.diff(both[order]) == 0)
    where = np.unique(np.concatenate([order[same], order[same + 1]]))
    return among[where], np.unique(both[where], return_inverse=True)[1]


def _moments(column: pa.ChunkedArray, where: np.ndarray) -> np.ndarray:
    moments = column.take(pa.array(where)).cast(pa.int64())
    return moments.fill_null(np.iinfo(np.int64).min).to_numpy()


def _several(
    rows: pa.Table, where: np.ndarray, new: pa.Table, codes: np.ndarray, moments: np.ndarray, name: str, label: str
) -> list[str]:
    """What to say of ids that have several amounts in one file: a history with dates is none."""
    amounts, kept = rows.column(name).take(pa.array(where)).combine_chunks(), new.column(name).combine_chunks()
    differs = pc.fill_null(pc.not_equal(amounts, kept.take(pa.array(codes))), False).to_numpy(zero_copy_only=False)
    newest = np.full(int(codes.max()) + 1, np.iinfo(np.int64).min)
    np.maximum.at(newest, codes, moments)
    differs &= newest[codes] == moments
    if not differs.any():
        return []
    at = int(np.argmax(differs))
    row = rows.slice(int(where[at]), 1).to_pylist()[0]
    ids = len(np.unique(codes[differs]))
    return [
        f"{row['account_id']}: {ids} ids have several amounts in one file, the last one stands: for example "
        f"{label} {row[label]!r} in {row['_file']} has {row[name].normalize():f} (line {row['_line']}) and then "
        f"{kept[int(codes[at])].as_py().normalize():f}"
    ]
