"""Personal data ends here: e-mails and phones become keyed hashes, URLs lose what identifies a person.

Hashes are keyed (BLAKE2b, 128 bit) because an unkeyed hash of an e-mail is found by trying a list of
e-mails. The key is FUNNELHOUSE_HASH_KEY; the same key gives the same hash in every source, so people
can be joined across systems without their addresses ever being stored.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

_NOT_DIGITS = re.compile(r"[^\d+]")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
_EMAIL_ANYWHERE = re.compile(r"[^@\s/?&=#:;,]+(?:@|%40)[^@\s/?&=#%]+\.[A-Za-z]{2,}", re.IGNORECASE)
_NUMBER_ANYWHERE = re.compile(r"\+?\d(?:[\s().\-/]{0,2}\d){6,}")  # as long as a phone number (normalise_phone)
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
    "(?i)@|%(?:25)?40|[?&#](?:amp;)?(?:" + "|".join(map(re.escape, sorted(_PERSONAL_PARAMETERS))) + ")="
)


def normalise_email(value: str | None) -> str | None:
    """Trimmed, NFC, lower case; None when it is no e-mail, or one that stands for nobody (noreply@, test@).

    Dots and +tags stay: they may be two people.
    """
    if not value:
        return None
    email = unicodedata.normalize("NFC", value).strip().strip("<>").lower()
    if not _EMAIL.match(email):
        return None
    local, _, domain = email.rpartition("@")
    return None if local in _NOBODYS_LOCAL_PARTS or domain in _NOBODYS_DOMAINS else email


def normalise_phone(value: str | None) -> str | None:
    """Digits in E.164 form where the country is given (`+…` or `00…`), else the bare digits.

    No country is guessed: a national number stays what it is. Fewer than 7 digits is not a phone, nor is a
    number typed to get past a form: the last nine digits all the same (0000000, +7 999 999 99 99), or counted
    up or down (1234567).
    """
    if not value:
        return None
    digits = _NOT_DIGITS.sub("", value.split("ext")[0])
    digits = "+" + digits[2:] if digits.startswith("00") else digits
    digits = digits[0] + digits[1:].replace("+", "") if digits else digits
    bare = digits.lstrip("+")
    return None if len(bare) < 7 or _is_typed_at_random(bare) else digits


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


def redact_text(value: str | None) -> str | None:
    """The text with whatever looks like an e-mail address taken out: people type theirs into any field."""
    return _EMAIL_ANYWHERE.sub("(redacted)", value) if value else None


def redact_answer(value: str | None) -> str | None:
    """What somebody typed into an open question, without e-mail addresses and phone numbers; names stay."""
    text = redact_text(value)
    return _NUMBER_ANYWHERE.sub("(redacted)", text) if text else None


def hash_user_id(value: str | None, key: bytes) -> str | None:
    """Keyed hash of the id that a site gives a user; of an e-mail where it is one, so that it joins to the CRM.

    None for what says that nobody is logged in ("undefined", "0"): its one hash would join everybody.
    """
    if not value or _NOBODYS_USER_ID.fullmatch(value.strip()):
        return None
    if _EMAIL.match(value.strip()):
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
    decoded = parse_qsl(pair, keep_blank_values=True)
    if decoded and _EMAIL_ANYWHERE.search(decoded[0][1]):
        return f"{name}={quote('(redacted)', safe='()')}"
    return _EMAIL_ANYWHERE.sub("(redacted)", pair)
