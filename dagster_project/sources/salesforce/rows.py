"""Salesforce's records as rows: what is personal becomes a hash, and what was asked but not sent is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from dagster_project.sources.salesforce.objects import (
    EMAIL,
    OF_A_PERSON,
    PHONES,
    SELF_REPORTED,
    SOURCE,
    TRACKING,
    URLS,
    Kind,
)
from dagster_project.wire.columns import RETYPED_FROM, columns_to_table, extra_of
from dagster_project.wire.contract import DriftError, Stream, Tally
from dagster_project.wire.http import Json
from dagster_project.wire.identity import (
    hash_email,
    hash_phone,
    redact_addresses,
    redact_answer,
    redact_text,
    redact_url,
)

_MISSING = object()


def table_of(
    stream: Stream,
    kind: Kind,
    records: Sequence[Json],
    asked: Mapping[str, str],
    account_id: str,
    key: bytes,
    tally: Tally,
    currency: str | None = None,
) -> pa.Table:
    """The records as rows of the stream; `asked`: column -> field. `currency`: of records that name none.

    Raises DriftError: a field that was asked is in no record. An odd record is told to the tally and left out.
    """
    odd = {place: "it is no object" for place, record in enumerate(records) if not isinstance(record, dict)}
    plain = [record if isinstance(record, dict) else {} for record in records]
    sent = {column: [_value(record, field) for record in plain] for column, field in asked.items()}
    for column, values in sent.items():
        gone = [place for place, value in enumerate(values) if value is _MISSING and place not in odd]
        if not gone:
            continue
        reason = f"field {asked[column]!r} is missing in a record"
        if len(gone) + len(odd) == len(plain) and len(gone) >= min(RETYPED_FROM, len(plain)):
            day = next((f" (day {str(record[kind.cursor])[:10]})" for record in plain if record.get(kind.cursor)), "")
            raise DriftError(f"{reason}{day}", source=SOURCE, stream=stream.name)
        odd |= dict.fromkeys(gone, reason)
    texts = {column: [None if value is _MISSING else value for value in values] for column, values in sent.items()}
    columns: dict[str, Sequence[Json]] = {name: texts[name] for name in stream.schema.names if name in texts}
    if EMAIL in texts:
        columns |= _of_people(texts, key, odd)
    for name in ("product",):
        if name in columns:
            columns[name] = _changed(columns[name], redact_text)
    if "order_id" in columns:
        columns["order_id"] = _changed(columns["order_id"], redact_addresses)
    if "CurrencyIsoCode" in stream.schema.names:
        columns["CurrencyIsoCode"] = [code or currency for code in columns.get("CurrencyIsoCode", [None] * len(plain))]
    known = {field.partition(".")[0] for field in asked.values()} | {"attributes"}
    columns["account_id"] = [account_id] * len(plain)
    columns["_extra"] = [
        extra_of({name: f"({type(record[name]).__name__})" for name in record.keys() - known}) for record in plain
    ]
    return columns_to_table(stream, columns, required=kind.required, tally=tally, odd=odd)


def _value(record: Mapping[str, Json], field: str) -> Json:
    """The value of a field; of `Parent.Field`, that of the parent, None where there is none."""
    name, _, of_parent = field.partition(".")
    value = record.get(name, _MISSING)
    if of_parent and value is not _MISSING:
        return value.get(of_parent) if isinstance(value, dict) else None
    return value


def _of_people(texts: Mapping[str, Sequence[Json]], key: bytes, odd: dict[int, str]) -> dict[str, Sequence[Json]]:
    for name in (EMAIL, *PHONES, *OF_A_PERSON):
        for place, value in enumerate(texts.get(name, ())):
            if value is not None and not isinstance(value, str):
                odd.setdefault(place, f"field {name!r} should be a text, Salesforce sent a {type(value).__name__}")
    clean = {
        name: [value if isinstance(value, str) else None for value in values]
        for name, values in texts.items()
        if name in (EMAIL, *PHONES, *OF_A_PERSON)
    }
    columns: dict[str, Sequence[Json]] = {
        "email_hash": [hash_email(value, key) for value in clean[EMAIL]],
        "phone_hash": [
            hash_phone(first, key) or hash_phone(second, key)
            for first, second in zip(*(clean[name] for name in PHONES), strict=True)
        ],
    }
    for names, change in ((TRACKING, redact_addresses), (URLS, redact_url), ((SELF_REPORTED,), redact_answer)):
        columns |= {name: _changed(clean[name], change) for name in names if name in clean}
    return columns


def _changed(values: Sequence[Json], change: object) -> list[Json]:
    return [change(value) if isinstance(value, str) and value else None for value in values]  # type: ignore[operator]
