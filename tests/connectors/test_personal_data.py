"""No plain personal data: same person, same hash; another key, another hash; URLs lose people, not tags."""

from __future__ import annotations

import pytest

from dagster_project.connectors.identity import (
    hash_email,
    hash_phone,
    hash_user_id,
    normalise_phone,
    redact_answer,
    redact_url,
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


@pytest.mark.parametrize("value", ["", "  ", "0", "0000", "undefined", "NULL", "(not set)", "guest", "[object Object]", "{{user_id}}"])
def test_a_user_id_of_nobody_has_no_hash(value: str) -> None:
    assert hash_user_id(value, KEY) is None


def test_a_user_id_that_is_an_address_has_its_hash() -> None:
    assert hash_user_id(" Ann@Example.com", KEY) == hash_email("ann@example.com", KEY)
    assert hash_user_id("noreply@x.org", KEY) is None
    assert hash_user_id("u-10", KEY) not in (None, hash_user_id("u-1", KEY))
