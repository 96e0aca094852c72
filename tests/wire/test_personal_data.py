"""No plain personal data: same person, same hash; another key, another hash; URLs lose people, not tags."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project.wire.identity import (
    INVISIBLE,
    MAY_BE_PERSONAL_TEXT,
    emails,
    hash_email,
    hash_phone,
    hash_user_id,
    normalise_phone,
    phones,
    redact_addresses,
    redact_answer,
    redact_text,
    redact_url,
    visible,
    without_control_characters,
)

KEY = b"k" * 32


def test_one_address_in_many_spellings_is_one_hash() -> None:
    spellings = ["Ann@Example.com", " ann@example.com ", "<ANN@EXAMPLE.COM>"]
    assert len({hash_email(s, KEY) for s in spellings}) == 1
    assert hash_email("ann@example.com", KEY) != hash_email("ann@example.com", b"another")
    assert hash_email("a.nn@example.com", KEY) != hash_email("ann@example.com", KEY), "dots are the provider's business"


@pytest.mark.parametrize(
    "value",
    ["noreply@shop.example", " No-Reply@shop.example", "test@x.org", "ann@test.com", "null@null.org", "NONE@none.com"],
)
def test_an_address_that_stands_for_nobody_has_no_hash(value: str) -> None:
    assert hash_email(value, KEY) is None


@pytest.mark.parametrize("value", ["test.pilot@x.org", "noreply.smith@x.org", "info@x.org", "a@testing.org"])
def test_an_address_that_only_looks_like_nobodys_is_somebodys(value: str) -> None:
    assert hash_email(value, KEY) is not None


@pytest.mark.parametrize(
    "value", ["000000000", "0000000", "+7 999 999 99 99", "+49 111111111", "1234567", "123-456-789", "9876543210"]
)
def test_a_number_typed_to_get_past_a_form_is_no_phone(value: str) -> None:
    assert normalise_phone(value) is None


@pytest.mark.parametrize("value", ["+7 999 999 99 98", "8 800 000 00 01", "+1 555 0100 199", "1234568"])
def test_a_number_that_only_looks_so_is_a_phone(value: str) -> None:
    assert normalise_phone(value) is not None


@pytest.mark.parametrize("value", [None, "", "n/a", "ann@", "ann at example.com", "a@b"])
def test_what_is_no_address_has_no_hash(value: str | None) -> None:
    assert hash_email(value, KEY) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+49 (30) 123-45 67", "+49301234567"),
        ("0049 30 1234567", "+49301234567"),
        ("030 1234567 ext 5", "0301234567"),
        ("12345", None),
        ("call me", None),
        (None, None),
    ],
)
def test_phones_are_e164_where_the_country_is_given(value: str | None, expected: str | None) -> None:
    assert normalise_phone(value) == expected
    assert (hash_phone(value, KEY) is None) == (expected is None)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.com/p?utm_source=Face%20Book&gclid=EAIaIQ", "https://a.com/p?utm_source=Face%20Book&gclid=EAIaIQ"),
        ("https://a.com/p?email=joe@x.org&utm_source=a", "https://a.com/p?email=(redacted)&utm_source=a"),
        ("https://a.com/p?ref=joe%40x.org", "https://a.com/p?ref=(redacted)"),
        ("https://joe:pw@a.com/p", "https://a.com/p"),
        ("https://a.com/unsubscribe/joe@x.org", "https://a.com/unsubscribe/(redacted)"),
        ("https://a.com/p#email=joe@x.org&utm_term=%D0%BA%2Bx", "https://a.com/p#email=(redacted)&utm_term=%D0%BA%2Bx"),
        (
            "https://a.com/p?to=%2B49%20171-1234567&utm_term=%2B491711234567",
            "https://a.com/p?to=(redacted)&utm_term=%2B491711234567",
        ),
        ("https://a.com/p?to=+491711234567#x", "https://a.com/p?to=(redacted)#x"),
        ("https://a.com/p?order=491711234567&q=%2B7+tips", "https://a.com/p?order=491711234567&q=%2B7+tips"),
        ("https://a.com/p?amp;phone=123&x=%zz", "https://a.com/p?amp;phone=(redacted)&x=%zz"),
        ("http://[broken/joe@x.org", "http://[broken/(redacted)"),
        ("", None),
        (None, None),
    ],
)
def test_urls_keep_their_tags_and_lose_people(url: str | None, expected: str | None) -> None:
    assert redact_url(url) == expected


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("a friend", "a friend"),
        ("Anna, +49 (171) 123-45 67", "Anna, (redacted)"),
        ("call 0301234567 or ann@example.com", "call (redacted) or (redacted)"),
        ("Messe 2026, Halle 12", "Messe 2026, Halle 12"),
        ("", None),
        (None, None),
    ],
)
def test_an_open_question_keeps_words_but_no_addresses_and_numbers(answer: str | None, kept: str | None) -> None:
    assert redact_answer(answer) == kept


@pytest.mark.parametrize(
    "value", ["", "  ", "0", "0000", "undefined", "NULL", "(not set)", "guest", "[object Object]", "{{user_id}}"]
)
def test_a_user_id_of_nobody_has_no_hash(value: str) -> None:
    assert hash_user_id(value, KEY) is None


def test_a_user_id_that_is_an_address_has_its_hash() -> None:
    assert hash_user_id(" Ann@Example.com", KEY) == hash_email("ann@example.com", KEY)
    assert hash_user_id("noreply@x.org", KEY) is None
    assert hash_user_id("u-10", KEY) not in (None, hash_user_id("u-1", KEY))


# ---- several in a cell


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("jane@one.example.org, j.doe@two.example.org", ["jane@one.example.org", "j.doe@two.example.org"]),
        (
            "jane@one.example.org;J.Doe@two.example.org;jane@one.example.org",
            ["jane@one.example.org", "j.doe@two.example.org"],
        ),
        ("jane@one.example.org ::: j@two.example.org", ["jane@one.example.org", "j@two.example.org"]),
        ("jane@one.example.org\nj@two.example.org", ["jane@one.example.org", "j@two.example.org"]),
        ("Jane <jane@one.example.org>", ["jane@one.example.org"]),
        ('"Doe, Jane" <jane@one.example.org>', ["jane@one.example.org"]),
        ("mailto:jane@one.example.org?subject=Hi", ["jane@one.example.org"]),
        ("noreply@one.example.org, jane@one.example.org", ["jane@one.example.org"]),
        ("o'brien@one.example.org", ["o'brien@one.example.org"]),
        ("jane\u200b@one.example.org\ufeff", ["jane@one.example.org"]),
        ("\u202ajane@one.example.org\u202c", ["jane@one.example.org"]),
        ("jane,doe@one.example.org", []),
        ("jane@one.example.orgj.doe@two.example.org", []),
        ("jane at one", []),
    ],
)
def test_several_addresses_in_a_cell_are_several_and_none_is_guessed(cell: str, expected: list[str]) -> None:
    assert emails(cell) == expected
    assert hash_email(cell, KEY) == (hash_email(expected[0], KEY) if expected else None)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("+7 900 123-45-67, +7 900 765-43-21", ["+79001234567", "+79007654321"]),
        ("+7 900 123-45-67 ::: +7 900 765-43-21", ["+79001234567", "+79007654321"]),
        ("+7 900 123-45-67/+7 900 765-43-21", ["+79001234567", "+79007654321"]),
        ("+7 900 123-45-67 +7 900 765-43-21", ["+79001234567", "+79007654321"]),
        ("030 1234567 / 030 7654321", ["0301234567", "0307654321"]),
        ("0301234567\n0307654321", ["0301234567", "0307654321"]),
        ("+7 900 123-45-67 доб. 12", ["+79001234567"]),
        ("+7 900 123-45-67 x12", ["+79001234567"]),
        ("+7 900 123-45-67;ext=12", ["+79001234567"]),
        ("+7 900 123-45-67 #12", ["+79001234567"]),
        ("Mobile: +44 (0)7700 900123 (home)", ["+447700900123"]),
        ("(+49) 30 1234567", ["+49301234567"]),
        ("030/1234567", ["0301234567"]),
        ("\u202a+7 900 123\u201145\u201167\u202c", ["+79001234567"]),
        ("+7\u00a0900\u00a0123\u00a045\u00a067", ["+79001234567"]),
        ("۰۲۱۱۲۳۴۵۶۷۸", ["02112345678"]),
        ("447900123456.0", ["447900123456"]),
        ("4.47900E+11", []),
        ("4,479e+11", []),
        ("8 900 123 45 67 8 900 765 43 21", []),
        ("1234 5678 9012 3456", []),
    ],
)
def test_several_phones_in_a_cell_are_several_and_nothing_is_glued(cell: str, expected: list[str]) -> None:
    assert phones(cell) == expected
    assert hash_phone(cell, KEY) == (hash_phone(expected[0], KEY) if expected else None)


# ---- free text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Call me: +49 (171) 123-45 67 please", "Call me: (redacted) please"),
        ("Anna +491711234567", "Anna (redacted)"),
        ("0049 171 1234567", "(redacted)"),
        ("0171 1234567 (Anna)", "(redacted) (Anna)"),
        ("(030) 123 45 67", "(redacted)"),
        ("8 (900) 123-45-67, Анна", "(redacted), Анна"),
        ("call 555-123-4567.", "call (redacted)."),
        ("06 12 34 56 78", "(redacted)"),
        ("tel. 1234568", "tel. (redacted)"),
        ("WhatsApp 89001234567", "WhatsApp (redacted)"),
        ("ann@example.com", "(redacted)"),
    ],
)
def test_phones_in_free_text_are_redacted(text: str, kept: str) -> None:
    assert redact_text(text) == kept
    assert pc.match_substring_regex(pa.array([text]), MAY_BE_PERSONAL_TEXT).to_pylist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        "Order 10012345678", "#1001-2345-6789", "Order no. 0123-456-789", "заказ № 0123 456 789", "408-1234567-1234567",
        "Invoice: 555-123-4567", "INV-2026-000123", "2026-09-01 10:00:00", "2026-09-01T10:00:00+02:00", "01.09.2026 10:30",
        "01-09-2026", "09/01/2026 10:00", "1 234 567,89 EUR", "1.234.567,89", "+1 234 567.89 EUR", "$1,234,567.00", "1 000 000 users",
        "4f1c2d3e-1234-4567-89ab-0123456789ab", "192.168.100.200", "123456789.1756720800", "120210012345678", "ISBN 978-3-16-148410-0",
        "spring_20260901_google_1234567", "Plan 2026/2027", "10x15x20 cm", "page 0171",
    ],
)  # fmt: skip
def test_dates_amounts_ids_and_numbers_of_orders_are_no_phones(text: str) -> None:
    assert redact_text(text) == text


def test_tags_keep_their_digits() -> None:
    assert redact_addresses("+49 171 1234567 a@x.org") == "+49 171 1234567 (redacted)"


def test_an_open_question_keeps_dates() -> None:
    assert redact_answer("Messe 2026-09-01, 8900123456") == "Messe 2026-09-01, (redacted)"


# ---- what nobody sees


def test_invisible_characters_and_controls() -> None:
    zero_width = "a\u200bb\u00adc\u2060d\ufeffe\u202af\x00g"
    assert visible(zero_width) == "abcdefg"
    assert pc.replace_substring_regex(pa.array([zero_width]), INVISIBLE, "").to_pylist() == ["abcdefg"]
    assert visible("Größe 10\u00a0€ سلام") == "Größe 10\u00a0€ سلام"
    table = pa.table({"a": ["x\x00y\r\nz\t", None, "\x9fß"], "b": [1, 2, 3], "c": ["plain", "text", ""]})
    cleaned = without_control_characters(table)
    assert cleaned.to_pydict() == {"a": ["xy\nz\t", None, "ß"], "b": [1, 2, 3], "c": ["plain", "text", ""]}
    assert cleaned.schema == table.schema
