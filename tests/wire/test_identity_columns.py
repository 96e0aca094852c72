"""A column of personal data gets what its values would get one by one, whatever stands in it."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.wire import identity
from dagster_project.wire.identity_columns import (
    hashed_emails,
    hashed_phones,
    redacted_answers,
    redacted_texts,
    redacted_urls,
    without_addresses,
)

KEY = b"k" * 32
PAIRS: dict[str, tuple[Callable[[pa.Array], pa.Array], Callable[[str | None], str | None]]] = {
    "emails": (lambda texts: hashed_emails(texts, KEY), lambda text: identity.hash_email(text, KEY)),
    "phones": (lambda texts: hashed_phones(texts, KEY), lambda text: identity.hash_phone(text, KEY)),
    "urls": (redacted_urls, identity.redact_url),
    "texts": (redacted_texts, identity.redact_text),
    "answers": (redacted_answers, identity.redact_answer),
    "addresses": (without_addresses, identity.redact_addresses),
}
ODD = [
    "Ada.Lovelace@Example.COM", " ada@example.com ", "<ada@example.com>", "ada@example.com;ben@example.com",
    "noreply@shop.example", "test@x.example", "ada@test.com", "ada\u200b@example.com", "a\u0301da@example.com",
    "mailto:ada@example.com?subject=x", "ada,smith@x.org", "@", "ada@", "ada%40example.com", "ADA%40EXAMPLE.com",
    "+49 (171) 123-4567", "0049 171 1234567", "8 (900) 123-45-67", "4.479E+11", "0000000000", "+1 555 0100 x12",
    "call 0171 123 45 67 now", "tel: 1234567890", "order 4711 0815 12", "2026-09-02", "1 234 567,89 EUR",
    "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "\uff0b\uff14\uff19 171 1234567", "тел 8 900 123 45 67", "a friend of ada@example.com",
    "https://www.shop.example/a?utm_source=google&email=ada%40example.com", "HTTPS://Shop.Example/A?b=C",
    "https://shop.example/a?", "https://shop.example/a#", "https://shop.example", "http://ada:pw@shop.example/x",
    "https://shop.example/?phone=1", "https://shop.example/?x=%2B491711234567", "https://shop.example/?x=+491711234567",
    "https://shop.example/a?a=1#name=ada&b", "https://shop.example/?amp;Email=x", "https://shop.example/\u00fc?q=\u00fc",
    "http://[bad", "https://shop.example/a b", "\thttps://shop.example/", "https://shop.example//x?y=1?z=2",
    "ftp://shop.example/x", "shop.example/x?token=abc", "https://shop.example/ada@example.com/", "?", "#", "//x",
    "https://shop.example:80/x;y=1?a&b=&=c", "https://shop.example/?a=1&&b=2", "https://shop.example/%2540x",
]  # fmt: skip
PARTS = st.sampled_from(
    ["ada", "@", "%40", "%2540", "example", ".com", "https://", "http://", "shop.example", "/", "?", "&", "#", "=", "+49",
     "%2B4", "0171", "1234567", "12", " ", "-", ".", "email=", "Phone=", "amp;", "utm_source=", "ü", "\u200b", "\t", "tel",
     "order", "EUR", "2026-09-02", ";", "x@y.de", "é"]
)  # fmt: skip
TEXTS = st.one_of(st.none(), st.sampled_from(ODD), st.lists(PARTS, min_size=1, max_size=9).map("".join))


@pytest.mark.parametrize("kind", PAIRS)
def test_a_column_of_awkward_values(kind: str) -> None:
    of_column, of_value = PAIRS[kind]
    values = [None, *ODD, *ODD[:5], None]
    assert of_column(pa.array(values, pa.string())).to_pylist() == [of_value(value) for value in values]


@pytest.mark.parametrize("kind", PAIRS)
@settings(deadline=None)
@given(values=st.lists(TEXTS, max_size=12))
def test_any_column(kind: str, values: list[str | None]) -> None:
    of_column, of_value = PAIRS[kind]
    assert of_column(pa.array(values, pa.string())).to_pylist() == [of_value(value) for value in values]


def test_a_value_that_comes_often_is_changed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("dagster_project.wire.identity_columns.redact_text", lambda text: asked.append(text) or "x")
    texts = pa.array(["ask ada@example.com"] * 1000 + ["nothing here"] * 1000, pa.string())
    assert redacted_texts(texts).value_counts().to_pylist() == [
        {"values": "x", "counts": 1000},
        {"values": "nothing here", "counts": 1000},
    ]
    assert asked == ["ask ada@example.com"]
