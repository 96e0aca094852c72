"""`identity` for whole columns of text: once for each distinct value, and only for those that it may change.

Arrow searches a column for what a function could change. What such a search cannot judge with certainty (any sign beyond
ASCII, an address that is not plainly written) goes to the function, so that a column gets what its values would get.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.wire.identity import (
    MAY_BE_PERSONAL,
    emails,
    hash_phone,
    plain_email,
    redact_addresses,
    redact_answer,
    redact_text,
    redact_url,
)

_NOT_ASCII = r"[^\x00-\x7f]"
# Any seven digits: more than MAY_BE_PERSONAL_TEXT finds, but that one takes RE2 25 ms to compile, at every call.
_TEXT = rf"@|%40|\d(?:\D*\d){{6}}|{_NOT_ASCII}"
# An URL that taking it apart and putting it together again leaves as it is: no odd signs, nothing empty at its end.
_PLAIN_URL = r"^https?://[A-Za-z0-9._\-]+(:[0-9]+)?(/[!-\"$->@-~]*)?(\?[!-\"$-~]+)?(#[!-~]+)?$"
# An e-mail that only has to be written in lower case.
_PLAIN_EMAIL = r"^[A-Za-z0-9][A-Za-z0-9._+\-]*@[A-Za-z0-9.\-]+\.[A-Za-z0-9]+$"


def redacted_urls(urls: pa.Array) -> pa.Array:
    """`redact_url` of each."""
    return _changed(urls, _may_be_an_odd_url, redact_url)


def redacted_texts(texts: pa.Array) -> pa.Array:
    """`redact_text` of each."""
    return _changed(texts, _may_be_personal, redact_text)


def redacted_answers(texts: pa.Array) -> pa.Array:
    """`redact_answer` of each."""
    return _changed(texts, _may_be_personal, redact_answer)


def without_addresses(texts: pa.Array) -> pa.Array:
    """`redact_addresses` of each."""
    return _changed(texts, _may_be_an_address, redact_addresses)


def hashed_emails(texts: pa.Array, key: bytes) -> pa.Array:
    """`hash_email` of each."""
    distinct = texts.dictionary_encode()
    is_plain = pc.match_substring_regex(distinct.dictionary, _PLAIN_EMAIL).to_pylist()
    # As identity's hash; the key is worked in once, and copied.
    keyed = blake2b(key=key[:64], person=b"email", digest_size=16)
    hashes: list[str | None] = []
    for text, plain in zip(distinct.dictionary.to_pylist(), is_plain, strict=True):
        email = next(iter(emails(text)), None) if not plain else plain_email(text)
        if email is None:
            hashes.append(None)
            continue
        hashed = keyed.copy()
        hashed.update(email.encode())
        hashes.append(hashed.hexdigest())
    return pa.array(hashes, pa.string()).take(distinct.indices)


def hashed_phones(texts: pa.Array, key: bytes) -> pa.Array:
    """`hash_phone` of each."""
    return each_distinct(texts, lambda text: hash_phone(text, key))


def each_distinct(texts: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """`change` of each text, called once for each distinct one; null stays null."""
    distinct = texts.dictionary_encode()
    made = [change(text) for text in distinct.dictionary.to_pylist()]
    return pa.array(made, pa.string()).take(distinct.indices)


def _changed(
    texts: pa.Array, may_change: Callable[[pa.Array], pa.Array], change: Callable[[str], str | None]
) -> pa.Array:
    """`change` of each text that it may change, called once for each distinct one; the others, and null, as they are."""
    if texts.null_count == len(texts):
        return texts
    distinct = texts.dictionary_encode()
    mask = may_change(distinct.dictionary)
    if not pc.any(mask).as_py():
        return texts
    made = pa.array([change(text) for text in distinct.dictionary.filter(mask).to_pylist()], pa.string())
    return pc.replace_with_mask(distinct.dictionary, mask, made).take(distinct.indices)


def _may_be_an_address(texts: pa.Array) -> pa.Array:
    return pc.match_substring_regex(texts, "@|%40")


def _may_be_personal(texts: pa.Array) -> pa.Array:
    return pc.match_substring_regex(texts, _TEXT)


def _may_be_an_odd_url(urls: pa.Array) -> pa.Array:
    is_plain = pc.match_substring_regex(urls, _PLAIN_URL)
    return pc.or_(pc.invert(is_plain), pc.match_substring_regex(urls, MAY_BE_PERSONAL))
