"""HubSpot's contacts and deals as columns: what a version is, what has been before, what is personal.

Everything HubSpot sends in `properties` is a string, null or ''. Names stay HubSpot's; e-mails and phones
leave this module as keyed hashes, addresses of pages without what identifies a person, and of fields that
nobody declared only what cannot be personal data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sources.hubspot.answers import SOURCE, Record
from dagster_project.sources.hubspot.api import Account
from dagster_project.sources.hubspot.asked import PHONES, Asked
from dagster_project.sources.hubspot.schemas import HISTORY, MOMENT, SELF_REPORTED, TEXT, TRACKING
from dagster_project.sources.hubspot.undeclared import undeclared
from dagster_project.wire.columns import columns_to_table, extra_of
from dagster_project.wire.contract import DriftError, Stream, Tally
from dagster_project.wire.http import Json
from dagster_project.wire.identity import hash_email
from dagster_project.wire.identity_columns import (
    each_distinct,
    hashed_emails,
    hashed_phones,
    redacted_answers,
    redacted_texts,
    redacted_urls,
    without_addresses,
)
from dagster_project.wire.json_cells import UNREADABLE, Cells, first_of, instant, read_cells

# id -> what it is associated with; None where that was not asked
Associations = Mapping[str, list[Record]] | None

# Top-level fields that are known and either used above or of no use here.
_OF_A_RECORD = {
    "id", "properties", "propertiesWithHistory", "createdAt", "updatedAt", "archived", "archivedAt",
    "associations", "url", "objectWriteTraceId", "warnings",
}  # fmt: skip


def contacts_table(
    stream: Stream, records: Sequence[Record], asked: Asked, account: Account, key: bytes, tally: Tally | None = None
) -> pa.Table:
    """The contacts as rows. Raises DriftError, and tells `tally` of what is odd, as `columns_to_table` does."""
    page = _Page(stream, records, asked, account)
    page.version("lastmodifieddate")
    page.make("email_hash", page.text("email"), lambda emails: hashed_emails(emails, key))
    page.make("additional_email_hashes", page.text("hs_additional_emails"), lambda text: _each_hash(text, key))
    phones = [page.read(name, (name,)) for name in PHONES]
    page.columns["phone_hash"] = pc.coalesce(*(hashed_phones(phone.values, key) for phone in phones))
    for column in (*TRACKING, "hs_analytics_source_data_1", "hs_analytics_source_data_2"):
        page.make(column, page.text(column), without_addresses)
    page.make("first_conversion_event_name", page.text("first_conversion_event_name"), redacted_texts)
    for column in ("hs_analytics_first_url", "hs_analytics_last_url"):
        page.make(column, page.text(column), redacted_urls)
    page.make(SELF_REPORTED, page.text(SELF_REPORTED), redacted_answers)
    page.history("lifecyclestage")
    page.columns["stage_entered_at"] = page.stage_dates(asked)
    return page.table(tally)


def deals_table(
    stream: Stream,
    records: Sequence[Record],
    asked: Asked,
    account: Account,
    contacts: Associations,
    companies: Associations,
    tally: Tally | None = None,
) -> pa.Table:
    """The deals as rows, with what they are associated with. As `contacts_table`."""
    page = _Page(stream, records, asked, account)
    page.version("hs_lastmodifieddate")
    if account.currency:
        currency = account.currency
        page.make("deal_currency_code", page.text("deal_currency_code"), lambda codes: pc.fill_null(codes, currency))
    page.make("product", page.text("product"), redacted_texts)
    page.make("order_id", page.text("order_id"), without_addresses)
    page.history("dealstage")
    page.columns["contacts"] = page.associated(
        contacts, lambda found: [{"contact_id": each, "is_primary": primary} for each, primary in found]
    )
    page.columns["company_ids"] = page.associated(
        companies, lambda found: [each for each, _ in sorted(found, key=lambda pair: not pair[1])]
    )
    return page.table(tally)


class _Page:
    """Records on their way to columns. `odd`: those that have not the shape of one, by their place, and why."""

    def __init__(self, stream: Stream, records: Sequence[Record], asked: Asked, account: Account) -> None:
        self.stream, self.records = stream, records
        self.odd: dict[int, str] = {}
        self.properties: list[Mapping[str, Json]] = [_NO_PROPERTIES] * len(records)
        for place, record in enumerate(records):
            if isinstance(properties := record.get("properties"), dict):
                self.properties[place] = properties
            else:
                self.odd[place] = "field 'properties' is missing in a record, or no object"
        self._read = {column: self.read(column, names) for column, names in asked.columns.items()}
        self.columns: dict[str, Sequence[Json] | pa.Array | Cells] = {
            column: cells for column, cells in self._read.items() if column in stream.schema.names
        }
        self.columns |= {
            "id": [record.get("id") for record in records],
            "archived": [bool(record.get("archived")) for record in records],
            "archivedAt": [record.get("archivedAt") or None for record in records],
            "account_id": [account.id] * len(records),
            "_extra": [
                None if record.keys() <= _OF_A_RECORD else extra_of(undeclared(record, _OF_A_RECORD))
                for record in records
            ],
        }
        self.make("hs_merged_object_ids", self.text("hs_merged_object_ids"), _merged_ids_of)

    def read(self, column: str, names: Sequence[str]) -> Cells:
        kind = self.stream.schema.field(column).type if column in self.stream.schema.names else TEXT
        return read_cells(column, first_of(self.properties, names), kind)

    def text(self, column: str) -> Cells:
        return self._read.get(column, Cells(pa.nulls(len(self.records), TEXT)))

    def make(self, column: str, cells: Cells, change: Callable[[pa.Array], pa.Array]) -> None:
        """The column, as `change` makes it of what was read; what could not be read stays so."""
        self.columns[column] = replace(cells, values=change(cells.values))

    def version(self, cursor: str) -> None:
        """When the record became what it is: its last change, or its archiving, which is no change to HubSpot."""
        moments = [record.get("archivedAt") if record.get("archived") else None for record in self.records]
        archived = read_cells("archivedAt", [moment or None for moment in moments], MOMENT, years=None)
        for place, reason in archived.unreadable.items():
            self.odd.setdefault(place, reason)
        is_later = pc.fill_null(pc.greater(archived.values, self._read[cursor].values), False)
        self.make(cursor, self._read[cursor], lambda moments: pc.if_else(is_later, archived.values, moments))

    def history(self, name: str) -> None:
        """Past values, oldest first (HubSpot: newest first); null where history was not asked."""
        try:
            self.columns[f"{name}_history"] = _histories(self.records, name)
        except (AttributeError, ValueError, TypeError):  # an odd one is among them, or out of order
            histories: list[list[Record] | None] = []
            for place, record in enumerate(self.records):
                try:
                    histories.append(_history(record, name, self.stream.name))
                except (DriftError, AttributeError, TypeError):
                    histories.append(None)
                    self.odd.setdefault(place, f"field '{name} history' has another form, or moments that are none")
            self.columns[f"{name}_history"] = pa.array(histories, HISTORY)

    def stage_dates(self, asked: Asked) -> pa.Array:
        """JSON {stage: moment} of the stages that have one, in order of their names."""
        parts = []
        for stage, names in sorted(asked.stages.items()):
            field = f"date entered {stage}"
            moments = read_cells(field, first_of(self.properties, names), MOMENT, years=None)
            for place, reason in moments.unreadable.items():
                self.odd.setdefault(place, reason)
            parts.append(pc.fill_null(_joined(f'{json.dumps(stage)}: "', _iso(moments.values), '", '), ""))
        if not parts:
            return pa.nulls(len(self.records), TEXT)
        # Joined without separators: with null_handling="skip", Arrow 26 drops a row of which all parts are null.
        within = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*parts, ""), 0, -2)
        return pc.if_else(pc.equal(within, ""), pa.scalar(None, TEXT), _joined("{", within, "}"))

    def associated(
        self, found: Associations, made_of: Callable[[list[tuple[str, bool]]], list[Record] | list[str]]
    ) -> list[list[Record] | list[str] | None]:
        """What `made_of` makes of each record's associations; None where they were not asked (archived records)."""
        lists: list[list[Record] | list[str] | None] = []
        for place, record in enumerate(self.records):
            if found is None or record.get("archived"):
                lists.append(None)
                continue
            try:
                lists.append(made_of(list(_associated(found.get(str(record.get("id")), [])))))
            except DriftError:
                lists.append(None)
                self.odd.setdefault(place, "field 'toObjectId' is missing in an association")
        return lists

    def table(self, tally: Tally | None) -> pa.Table:
        return columns_to_table(self.stream, self.columns, required=("createdate",), tally=tally, odd=self.odd)


_NO_PROPERTIES: Record = {}


def version_moment(record: Record, cursor: str, stream: str) -> datetime:
    """When the record became what it is: its last change, or its archiving, which is no change to HubSpot."""
    changed = _moment(_properties(record, stream).get(cursor), cursor, stream)
    if not (record.get("archived") and record.get("archivedAt")):
        return changed
    return max(changed, _moment(record["archivedAt"], "archivedAt", stream))


def _properties(record: Record, stream: str) -> Mapping[str, Json]:
    properties = record.get("properties")
    if not isinstance(properties, dict):
        raise DriftError("field 'properties' is missing in a record, or no object", source=SOURCE, stream=stream)
    return properties


def _each_hash(texts: pa.Array, key: bytes) -> pa.Array:
    """The hashes of the e-mails of each text, ';' between them."""
    distinct = texts.dictionary_encode()
    hashes = [
        [hashed for email in text.split(";") if (hashed := hash_email(email, key))] or None
        for text in distinct.dictionary.to_pylist()
    ]
    return pa.array(hashes, pa.list_(TEXT)).take(distinct.indices)


def _merged_ids_of(texts: pa.Array) -> pa.Array:
    return each_distinct(texts, _merged_ids)


def _merged_ids(value: str) -> str | None:
    ids = [part.partition(":")[0].strip() for part in value.split(";")]
    return ";".join(each for each in ids if each) or None


def _joined(before: str, texts: pa.Array, after: str) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(before), texts, pa.scalar(after), "")


def _iso(moments: pa.Array) -> pa.Array:
    """As datetime.isoformat: `2026-09-02T08:00:00+00:00`, with microseconds where there are some."""
    texts = pc.utf8_replace_slice(moments.cast(TEXT), 10, 11, "T")  # 2026-09-02 08:00:00.000000Z
    texts = pc.replace_substring(texts, ".000000Z", "Z")
    return pc.replace_substring(texts, "Z", "+00:00")


def _histories(records: Sequence[Record], name: str) -> pa.Array:
    """All histories of a page at once. Raises ValueError, TypeError, AttributeError where one is odd."""
    asked = [record.get("propertiesWithHistory") for record in records]
    lists = [() if of is None else of.get(name) or () for of in asked]
    entries = [entry for past in lists for entry in reversed(past)]
    moments = read_cells(name, [entry.get("timestamp") for entry in entries], MOMENT, years=None).values
    if moments.null_count:
        raise ValueError("a moment that is none")
    offsets = np.cumsum([0, *map(len, lists)])
    ticks = moments.cast(pa.int64()).to_numpy()
    falls = np.flatnonzero(ticks[1:] < ticks[:-1]) + 1
    if len(np.setdiff1d(falls, offsets)):
        raise ValueError("newer before older")
    values = pa.array([entry.get("value") or None for entry in entries], TEXT)
    sources = pa.array([entry.get("sourceType") for entry in entries], TEXT)
    past = pa.StructArray.from_arrays([values, moments, sources], fields=list(HISTORY.value_type))
    is_null = pa.array([of is None for of in asked])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), past, type=HISTORY, mask=is_null)


def _history(record: Record, name: str, stream: str) -> list[Record] | None:
    """Past values, oldest first (HubSpot: newest first); None where history was not asked."""
    histories = record.get("propertiesWithHistory")
    if histories is None:
        return None
    entries = []
    for entry in reversed(histories.get(name) or ()):
        moment = _moment(entry.get("timestamp"), f"{name} history", stream, record)
        entries.append(
            {"value": entry.get("value") or None, "timestamp": moment, "source_type": entry.get("sourceType")}
        )
    return sorted(entries, key=lambda entry: entry["timestamp"])


def _moment(value: Json, name: str, stream: str, record: Record | None = None) -> datetime:
    try:
        return instant(value)
    except UNREADABLE as error:
        day = f" (day {str(record.get('updatedAt'))[:10]})" if record else ""
        raise DriftError(
            f"field {name!r} should be a moment, HubSpot sent a {type(value).__name__}{day}",
            source=SOURCE,
            stream=stream,
        ) from error


def _associated(associations: Sequence[Record]) -> Iterator[tuple[str, bool]]:
    """(id, is primary) by id. Primary is a label: HubSpot's for companies, the portal's own for contacts."""
    primary: dict[str, bool] = {}
    for each in associations:
        labels = [str(kind.get("label") or "").casefold() for kind in each.get("associationTypes") or ()]
        if each.get("toObjectId") is None:
            raise DriftError("field 'toObjectId' is missing in an association", source=SOURCE, stream="deals")
        to_id = str(each["toObjectId"])
        primary[to_id] = primary.get(to_id, False) or any(label.startswith("primary") for label in labels)
    yield from sorted(primary.items(), key=lambda pair: (len(pair[0]), pair[0]))
