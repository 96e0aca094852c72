"""Personal data ends here: e-mails and phones become keyed hashes, URLs lose what identifies a person.

Hashes are keyed (BLAKE2b, 128 bit) because an unkeyed hash of an e-mail is found by trying a list of
e-mails. The key is FUNNELHOUSE_HASH_KEY; the same key gives the same hash in every source, so people
can be joined across systems without their addresses ever being stored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Zero-width marks, soft hyphens, directions (numbers copied from an address book carry them), blank fillers and
# control characters part texts that are equal to everybody's eye. For Python, and the same for RE2 (Arrow).
_INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f"
    "\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff9-\\ufffb]"
)
INVISIBLE = re.sub(r"\\(?:x|u)([0-9a-f]{2,4})", r"\\x{\1}", _INVISIBLE.pattern)
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}]"

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LIST_SIGNS = re.compile(r"[\s,;:|<>()\[\]\"/\\]+")
_EMAIL_ANYWHERE = re.compile(r"[^@\s/?&=#:;,]+(?:@|%40)[^@\s/?&=#%]+\.[A-Za-z]{2,}", re.IGNORECASE)

_DASH = "\\-\u2010-\u2015\u2212"
_RUN_OF_DIGITS = re.compile(rf"(?:\+[^\S\n]*\(?)?\d[\d \t\xa0\u2000-\u200a\u202f().{_DASH}/]*")
_BROKEN_BY_SPREADSHEET = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d+")
_FLOAT = re.compile(r"\d+\.0+")
_SHORTEST_PHONE, _LONGEST_PHONE = 7, 15  # E.164

# What is a phone in free text, where dates, amounts and numbers of orders stand as well: one with its country
# (+49 30 1234567, 0049 30 …), with its area code set apart (0170 123 45 67, 8 (900) 123-45-67, 555-123-4567,
# 06 12 34 56 78), or one that is called so.
_SEP = rf"[\s().{_DASH}/]{{0,3}}"
_PHONE_ANYWHERE = re.compile(
    rf"(?<![\w+=])(?:\+\s?[1-9]|00[1-9]\d{{0,2}}[\s().{_DASH}/]{{1,2}}\d)(?:{_SEP}\d){{7,14}}(?!\w|[.,]\d)"
    rf"|(?<![\w+=#.,:/{_DASH}])(?:"
    rf"\((?!19|20)\d{{2,5}}\)\s?\d{{2,4}}(?:[\s{_DASH}]?\d{{2,4}}){{1,3}}"
    rf"|8[\s{_DASH}]?\(?\d{{3}}\)?[\s{_DASH}]?\d{{3}}[\s{_DASH}]\d{{2}}[\s{_DASH}]?\d{{2}}"
    rf"|0[1-9](?:[\s.{_DASH}]\d{{2}}){{4}}"
    rf"|0[1-9]\d{{1,4}}\s?[\s/{_DASH}]\s?\d{{2,4}}(?:[\s{_DASH}]?\d{{2,4}}){{1,3}}"
    rf"|[2-9]\d{{2}}[\s.{_DASH}]\d{{3}}[\s.{_DASH}]\d{{4}}"
    rf")(?!\w|[.,:/{_DASH}]\d)"
)
_CALLED_PHONE = re.compile(
    rf"(\b(?:tele?(?:fon|phone)?|phone|mobile?|mob|cell|handy|whatsapp|viber|тел(?:ефон)?|моб)\b[.:\s#№]{{0,3}})"
    rf"\+?\(?\d(?:{_SEP}\d){{6,14}}(?!\w)",
    re.IGNORECASE,
)
_CALLED_OTHERWISE = re.compile(
    r"(?:\b(?:order|invoice|ticket|ref(?:erence)?|number|no|nr|id|sku|заказ\w*|сч[её]т\w*|договор\w*|bestell\w*"
    r"|rechnung\w*|auftrag\w*|commande|facture|pedido)[\s.:]*[#№]?|[#№])[\s.:]*$",
    re.IGNORECASE,
)
_MONEY_FOLLOWS = re.compile(r"\s?(?:[$€£₽¥%]|[A-Z]{3}\b|руб)")
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T\s]+\d\d)?.{0,6}|\d{1,2}[./-]\d{1,2}[./-]\d{4}(?:[T\s]+\d\d)?.{0,6}", re.DOTALL
)
_PHONE_AS_VALUE = re.compile(r"=(?:\+|%2B)[1-9](?:(?:[().-]|%20|%28|%29|\+){0,2}\d){7,14}$", re.IGNORECASE)
_NUMBER_ANYWHERE = re.compile(r"\+?\d(?:[\s().\-/]{0,2}\d){6,}")  # as long as a phone number (normalise_phone)
# RE2 pattern of what a text must contain for `redact_text` or `redact_answer` to change it
MAY_BE_PERSONAL_TEXT = r"@|%40|\d(?:[^\pL\d]{0,5}\d){6}"
_PERSONAL_PARAMETERS = {
    "email", "e-mail", "mail", "phone", "tel", "mobile", "firstname", "first_name", "lastname", "last_name",
    "name", "fullname", "full_name", "address", "password", "token",
}  # fmt: skip

# What people and scripts write where they have no address or number: its one hash would join them all.
# Whole local parts only ("test" is none, "test.pilot" may be somebody), whatever the domain.
_NOBODYS_LOCAL_PARTS = {
    "test", "tests", "testing", "tester", "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply",
    "do_not_reply", "nobody", "none", "null", "undefined", "noemail", "no-email", "no_email", "nomail",
    "no-mail", "na", "n/a", "unknown", "anonymous", "example", "fake", "dummy", "asdf", "qwerty",
    "mailer-daemon", "postmaster",
}  # fmt: skip
# what scripts hand on as a user id when nobody is logged in
_NOBODYS_USER_ID = re.compile(
    r"[0.\-x*?]*|-1|undefined|null|none|nan|nil|n/?a|unknown|anonymous|guest|\(?not set\)?|empty|test|true|false"
    r"|\[object object\]|\$?\{.*",
    re.IGNORECASE,
)
_NOBODYS_DOMAINS = {"test.com", "test.test", "none.com", "noemail.com"}
_COUNTED_DIGITS = ("0123456789", "1234567890", "9876543210", "0987654321")

# RE2 pattern of what a text must contain for `redact_url` to change it: columns of millions of texts are
# searched with it by Arrow, and only what it finds goes through Python.
MAY_BE_PERSONAL = (
    r"(?i)@|%(?:25)?40|=(?:\+|%2B)[1-9]|[?&#](?:amp;)?(?:"
    + "|".join(map(re.escape, sorted(_PERSONAL_PARAMETERS)))
    + ")="
)


def visible(text: str) -> str:
    """The text without zero-width and other invisible characters."""
    return _INVISIBLE.sub("", text)


def without_control_characters(rows: pa.Table) -> pa.Table:
    """The table with control characters (tab and newline stay) removed from its text columns."""
    for position, column in enumerate(rows.columns):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            cleaned = [controls_removed(chunk) for chunk in column.chunks]
            if any(new is not old for new, old in zip(cleaned, column.chunks, strict=True)):
                rows = rows.set_column(position, rows.schema.field(position), pa.chunked_array(cleaned, column.type))
    return rows


def controls_removed(text: pa.Array) -> pa.Array:
    """The same array where nothing had to go, which a look at its bytes tells far sooner than any search."""
    content = text.buffers()[2]
    if content is None or not _may_hold_controls(np.frombuffer(content, np.uint8)):
        return text
    return pc.replace_substring_regex(text, pattern=_CONTROL, replacement="")


def _may_hold_controls(content: np.ndarray) -> bool:
    if not len(content) or (content.min() >= 0x20 and content.max() < 0x7F):  # the most frequent answer first
        return False
    low = (content < 0x20) & (content != 0x09) & (content != 0x0A)
    return bool(low.any() or (content == 0x7F).any() or (content == 0xC2).any())  # 0xC2 begins U+0080 to U+00BF


def normalise_email(value: str | None) -> str | None:
    """Trimmed, NFC, lower case, without invisible characters; the first where a cell holds several.

    None when it is no e-mail, or one that stands for nobody (noreply@, test@). Dots and +tags stay: they may
    be two people.
    """
    return next(iter(emails(value)), None)


def emails(value: str | None) -> list[str]:
    """The e-mails of one cell, normalised, in their order: `Ann <ann@x.org>`, `a@x.org; b@x.org`, `mailto:a@x.org`."""
    if not value or "@" not in value or "\ufffd" in value:
        return []
    text = unicodedata.normalize("NFC", visible(value)).strip().strip("<>").lower()
    if _EMAIL.fullmatch(text) and not _LIST_SIGNS.search(text):
        return [] if _is_nobodys(text) else [text]
    parts = [part.strip("'.").partition("?")[0] for part in _LIST_SIGNS.split(text)]
    if re.search(r"[^\s,],[^\s,]", text) and not all(_EMAIL.fullmatch(part) for part in text.split(",")):
        return []  # "ann,smith@x.org": a comma for a point, or a list? smith@x.org may be somebody else
    return list(dict.fromkeys(part for part in parts if _EMAIL.fullmatch(part) and not _is_nobodys(part)))


def plain_email(text: str) -> str | None:
    """As `normalise_email`, of what is known to be one e-mail and nothing else, of letters, digits and `._+-`."""
    email = text.lower()
    return None if _is_nobodys(email) else email


def _is_nobodys(email: str) -> bool:
    local, _, domain = email.rpartition("@")
    return local in _NOBODYS_LOCAL_PARTS or domain in _NOBODYS_DOMAINS


def normalise_phone(value: str | None) -> str | None:
    """Digits in E.164 form where the country is given (`+…` or `00…`), else the bare digits; the first of several.

    No country is guessed: a national number stays what it is. Fewer than 7 digits or more than 15 is not a phone,
    nor is a number typed to get past a form: the last nine digits all the same (0000000, +7 999 999 99 99), or
    counted up or down (1234567), nor what a spreadsheet left of one (4.479E+11).
    """
    return next(iter(phones(value)), None)


def phones(value: str | None) -> list[str]:
    """The phones of one cell, normalised, in their order. Extensions (`x12`, `доб. 12`) are cut; two numbers that
    nothing tells apart are none, never one long one."""
    if not value or is_broken_number(value):
        return []
    text = visible(value).strip()
    if not text.isascii():
        text = "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)
    if _FLOAT.fullmatch(text):
        text = text.partition(".")[0]
    found = [phone for run in _RUN_OF_DIGITS.findall(text) for phone in _phones_of(run)]
    return list(dict.fromkeys(found))


def is_broken_number(value: str) -> bool:
    """Whether a spreadsheet has made this number `4.479E+11`: most of its digits are gone."""
    return _BROKEN_BY_SPREADSHEET.fullmatch(value.strip()) is not None


def _phones_of(run: str) -> Iterator[str]:
    is_international = run.lstrip().startswith(("+", "00"))
    digits = re.sub(r"\D", "", run.replace("(0)", "", 1) if is_international else run)
    bare = digits.removeprefix("00")
    if len(bare) > _LONGEST_PHONE and (parts := [part for part in re.split(r"/|\s{2,}", run) if part.strip()])[1:]:
        for part in parts:
            yield from _phones_of(part)
    elif _SHORTEST_PHONE <= len(bare) <= _LONGEST_PHONE and not _is_typed_at_random(bare):
        yield "+" + bare if is_international else digits


def _is_typed_at_random(digits: str) -> bool:
    end = digits[-9:]  # country and area codes are often right, what follows is not
    return len(set(end)) == 1 or any(digits in counted or end in counted for counted in _COUNTED_DIGITS)


def _hash(kind: bytes, value: str, key: bytes) -> str:
    return blake2b(value.encode(), key=key[:64], person=kind, digest_size=16).hexdigest()


def hash_email(value: str | None, key: bytes) -> str | None:
    """Keyed hash of the normalised e-mail, 32 hex digits; None for what is no e-mail."""
    email = normalise_email(value)
    return _hash(b"email", email, key) if email else None


def hash_phone(value: str | None, key: bytes) -> str | None:
    """Keyed hash of the normalised phone, 32 hex digits; None for what is no phone."""
    phone = normalise_phone(value)
    return _hash(b"phone", phone, key) if phone else None


def redact_addresses(value: str | None) -> str | None:
    """The text without e-mail addresses. For tags and ids, whose digits are no phone."""
    return _EMAIL_ANYWHERE.sub("(redacted)", value) if value else None


def redact_text(value: str | None) -> str | None:
    """Free text without e-mail addresses and phones: people type theirs into any field. Dates, amounts and
    numbers of orders stay."""
    if not value:
        return None
    text = _EMAIL_ANYWHERE.sub("(redacted)", value)
    if sum(letter.isdigit() for letter in text) < _SHORTEST_PHONE:
        return text
    text = _CALLED_PHONE.sub(r"\1(redacted)", text)
    return _PHONE_ANYWHERE.sub(_redacted_unless_called_otherwise, text)


def _redacted_unless_called_otherwise(phone: re.Match[str]) -> str:
    before, after = phone.string[: phone.start()], phone.string[phone.end() :]
    is_other = not phone[0].startswith("+") and _CALLED_OTHERWISE.search(before[-24:])
    return phone[0] if is_other or _MONEY_FOLLOWS.match(after) else "(redacted)"


def redact_answer(value: str | None) -> str | None:
    """What somebody typed into an open question, without e-mail addresses and any number as long as a phone's;
    names and dates stay."""
    text = redact_text(value)
    if not text:
        return None
    return _NUMBER_ANYWHERE.sub(lambda number: number[0] if _DATE.fullmatch(number[0]) else "(redacted)", text)


def hash_user_id(value: str | None, key: bytes) -> str | None:
    """Keyed hash of the id that a site gives a user; of an e-mail where it is one, so that it joins to the CRM.

    None for what says that nobody is logged in ("undefined", "0"): its one hash would join everybody.
    """
    if not value or _NOBODYS_USER_ID.fullmatch(value.strip()):
        return None
    if _EMAIL.fullmatch(value.strip()):
        return hash_email(value, key)
    return _hash(b"user_id", value.strip(), key)


def redact_url(value: str | None) -> str | None:
    """The URL without credentials and without the values of parameters that carry a person's data.

    Tracking parameters (utm_*, click ids) are left byte for byte as they were: their spelling is evidence.
    """
    if not value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:  # a broken URL is still evidence of a visit; only what looks like an address must go
        return _EMAIL_ANYWHERE.sub("(redacted)", value)
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(_redact_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    fragment = "&".join(_redact_pair(pair) for pair in parts.fragment.split("&")) if parts.fragment else ""
    return urlunsplit((parts.scheme, host, _EMAIL_ANYWHERE.sub("(redacted)", parts.path), query, fragment))


def _redact_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    bare = name.removeprefix("amp;").lower()
    if equals and bare in _PERSONAL_PARAMETERS:
        return f"{name}=(redacted)"
    if not bare.startswith("utm_") and _PHONE_AS_VALUE.search(pair):
        return f"{name}=(redacted)"
    decoded = parse_qsl(pair, keep_blank_values=True)
    if decoded and _EMAIL_ANYWHERE.search(decoded[0][1]):
        return f"{name}={quote('(redacted)', safe='()')}"
    return _EMAIL_ANYWHERE.sub("(redacted)", pair)
