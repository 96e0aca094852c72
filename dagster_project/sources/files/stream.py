"""What a kind of row of a file drop is: its columns, what identifies a row, and how a mapping may name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

TEXT, INTEGER, DOUBLE, FLAG, DAY = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.date32()
MOMENT = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(24, 6)

# what a mapping may name, and the column that it fills instead: plain personal data is never written
HASHED = {"email": "email_hash", "phone": "phone_hash"}

# `<moment>_is_day`: the file gave that moment as a day without a time; it then stands at the day's first moment
IS_DAY = "_is_day"


@dataclass(frozen=True)
class FileStream:
    """One kind of row of a file drop.

    * `id`: the columns that identify a row, where a row has an identity: the newest row of an id is kept.
    * `replaces_by`: for rows without an id, the columns whose combination a later file replaces as a whole (not
      where all of them are empty); amounts are never among them. Inside one file nothing is dropped: rows that
      look equal may be a finer grain than the mapped columns show. In streams with an id it is for the rows that
      a mapping numbers itself (`row_number`).
    * `labels`: columns that only name what another one identifies; they are not compared where that one is filled
      (a campaign that was renamed is the same campaign).
    * `lists`: columns whose cell may hold several values; the first is the column's, all of them are in the other.
    * `sums`: the measures by which a row that sums up the others of its file is known.
    * `asides`: what a mapping may fill beside the columns, for the reader only: rows are spread to `end_date`,
      and stand for `count` records.
    * `decisive`: optional columns without which a row cannot be understood: a cell that cannot be read costs the row.
    * `key`: how a row is known in the raw zone; rows that share it have a running number, `_copy`.
    * `required`: a mapping must fill them, and a row without them is a bad row.
    * `day`: the column that a row is filed under in the raw zone.
    * `feeds`: subject -> the columns of which a mapping fills one if it feeds the subject; none are needed for ().
      `informs`: as for a Stream.
    * `dated_by`: the columns that say up to which day a file goes, where that is more than `day`.
    * `settles_after_days`: when a day counts as final (see RESTATED below).
    """

    name: str
    domain: Literal["sessions", "crm", "ads", "costs", "rates", "email", "survey"]
    kind: Literal["report", "record"]
    day: str
    columns: dict[str, pa.DataType]
    description: str
    id: tuple[str, ...] = ()
    replaces_by: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    settles_after_days: int = 0
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    sums: tuple[str, ...] = ()
    asides: Mapping[str, pa.DataType] = field(default_factory=dict)
    decisive: tuple[str, ...] = ()
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    informs: tuple[str, ...] = ()
    dated_by: tuple[str, ...] = ()

    @property
    def raw_key(self) -> tuple[str, ...]:
        return ("account_id", *self.id) if self.id else ("account_id", *(self.key or self.replaces_by), "_copy")

    @property
    def record_id(self) -> str | None:
        """The column that numbers records; what stands beside it in `id` only tells equal numbers apart."""
        return self.id[0] if self.id and self.kind == "record" else None

    @property
    def kinds(self) -> dict[str, pa.DataType]:
        """The types of all columns that the reader makes, asides among them."""
        return {**self.columns, **self.asides}

    @property
    def money(self) -> list[str]:
        return [name for name, kind in self.columns.items() if pa.types.is_decimal(kind)]

    @property
    def mappable(self) -> list[str]:
        """The names that a mapping may use: `email` and `phone` stand for their hashes."""
        plain = {hashed: name for name, hashed in HASHED.items()}
        ours_only = {"filed_at", *self.lists.values()} | {n for n in self.columns if n.endswith(IS_DAY)}
        return [plain.get(name, name) for name in (*self.columns, *self.asides) if name not in ours_only]


def days_of(*moments: str) -> dict[str, pa.DataType]:
    return dict.fromkeys((moment + IS_DAY for moment in moments), FLAG)
