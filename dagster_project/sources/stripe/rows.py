"""Stripe's balance transactions, charges, refunds and disputes as rows: moments from epoch seconds, money from minor units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dagster_project.sources.stripe.settings import StripeMetadata
from dagster_project.wire.columns import undeclared
from dagster_project.wire.contract import schema
from dagster_project.wire.http import Json
from dagster_project.wire.identity import hash_email, redact_addresses, redact_text

TEXT, MOMENT, MONEY = pa.string(), pa.timestamp("us", tz="UTC"), pa.decimal128(24, 6)
# https://docs.stripe.com/currencies: amounts are in the currency's smallest unit. ISK and UGX have none any more, and are sent
# with two places all the same.
NO_PLACES = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_PLACES = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
METADATA = tuple(StripeMetadata.model_fields)

BALANCE_SCHEMA = schema(
    ("id", TEXT),
    ("created", MOMENT),
    ("available_on", MOMENT),
    ("status", TEXT),
    ("type", TEXT),
    ("reporting_category", TEXT),
    ("source_id", TEXT),
    ("currency_code", TEXT),
    ("amount", MONEY),
    ("fee", MONEY),
    ("net", MONEY),
    ("exchange_rate", pa.float64()),
)
CHARGES_SCHEMA = schema(
    ("id", TEXT),
    ("created", MOMENT),
    ("status", TEXT),
    ("is_live", pa.bool_()),
    ("currency_code", TEXT),
    ("amount", MONEY),
    ("payment_intent", TEXT),
    ("customer_id", TEXT),
    ("email_hash", TEXT),
    *((name, TEXT) for name in METADATA),
)
REFUNDS_SCHEMA = schema(
    ("id", TEXT),
    ("created", MOMENT),
    ("status", TEXT),
    ("charge_id", TEXT),
    ("currency_code", TEXT),
    ("amount", MONEY),
)
DISPUTES_SCHEMA = schema(
    ("id", TEXT),
    ("created", MOMENT),
    ("status", TEXT),
    ("reason", TEXT),
    ("charge_id", TEXT),
    ("is_live", pa.bool_()),
    ("currency_code", TEXT),
    ("amount", MONEY),
)
_OF_A_BALANCE = {
    "id", "object", "amount", "available_on", "created", "currency", "description", "exchange_rate", "fee", "fee_details",
    "net", "reporting_category", "source", "status", "type", "balance_type", "cross_border_classification",
}  # fmt: skip


class OddRecord(ValueError):
    """A record whose money or moment cannot be read; the message says where, without values."""


def balance_row(record: Mapping[str, Json], account: str, metadata: StripeMetadata, key: bytes) -> dict[str, Json]:
    row: dict[str, Json] = {
        name: record.get(name) for name in ("id", "status", "type", "reporting_category", "exchange_rate")
    }
    row |= {name: _moment(record, name) for name in ("created", "available_on")}
    row |= {"source_id": _id(record.get("source")), "account_id": account}
    return row | _amounts(record, "amount", "fee", "net") | undeclared(record, _OF_A_BALANCE)


def charge_row(record: Mapping[str, Json], account: str, metadata: StripeMetadata, key: bytes) -> dict[str, Json]:
    """Of a charge's many fields those that say whose it is: others are read with the balance, or are nobody's business."""
    billing, given = _object(record, "billing_details"), _object(record, "metadata")
    email = record.get("receipt_email") or billing.get("email")
    row: dict[str, Json] = {
        "id": record.get("id"),
        "created": _moment(record, "created"),
        "status": record.get("status"),
        "is_live": record.get("livemode"),
        "payment_intent": _id(record.get("payment_intent")),
        "customer_id": _id(record.get("customer")),
        "email_hash": hash_email(email, key) if isinstance(email, str) else None,
        "account_id": account,
    }
    for name in METADATA:
        value = given.get(getattr(metadata, name) or "")
        redact = redact_text if name == "product" else redact_addresses
        row[name] = redact(value) if isinstance(value, str) else None
    return row | _amounts(record, "amount")


def refund_row(record: Mapping[str, Json], account: str, metadata: StripeMetadata, key: bytes) -> dict[str, Json]:
    row: dict[str, Json] = {
        "id": record.get("id"),
        "created": _moment(record, "created"),
        "status": record.get("status"),
        "charge_id": _id(record.get("charge")),
        "account_id": account,
    }
    return row | _amounts(record, "amount")


def dispute_row(record: Mapping[str, Json], account: str, metadata: StripeMetadata, key: bytes) -> dict[str, Json]:
    given = {"reason": record.get("reason"), "is_live": record.get("livemode")}
    return refund_row(record, account, metadata, key) | given


def _amounts(record: Mapping[str, Json], *names: str) -> dict[str, Json]:
    """Raises OddRecord: an amount without its currency is none."""
    currency = record.get("currency")
    if not isinstance(currency, str) or len(currency) != 3:
        raise OddRecord("field 'currency' should be a code of three letters")
    places = 0 if currency in NO_PLACES else 3 if currency in THREE_PLACES else 2
    row: dict[str, Json] = {"currency_code": currency.upper()}
    for name in names:
        minor = record.get(name)
        if not isinstance(minor, int) or isinstance(minor, bool):
            raise OddRecord(
                f"field {name!r} should be a whole number of the smallest unit, it is a {type(minor).__name__}"
            )
        row[name] = Decimal(minor).scaleb(-places)
    return row


def _moment(record: Mapping[str, Json], name: str) -> datetime:
    seconds = record.get(name)
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise OddRecord(f"field {name!r} should be epoch seconds, it is a {type(seconds).__name__}")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise OddRecord(f"field {name!r} is no moment") from error


def _id(value: Json) -> str | None:
    """An id, or the object that it stands for."""
    found: Any = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def _object(record: Mapping[str, Json], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}
