"""Sending a message to one address, through Apprise. Addresses are secrets: what is said of them is their kind and number."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from hashlib import blake2b
from urllib.parse import unquote

from pydantic import SecretStr

LONGEST_REASON = 200
SHORTEST_SECRET = 4  # a part of an address that is shorter gives nothing away, and may be any word


def names_of(urls: Sequence[SecretStr], key: SecretStr) -> dict[str, SecretStr]:
    """The addresses by a name that the book can keep: a keyed hash, which is the same whatever their order."""
    secret = key.get_secret_value().encode()[:64]
    return {blake2b(url.get_secret_value().encode(), key=secret, digest_size=8).hexdigest(): url for url in urls}


def shown(url: SecretStr, number: int) -> str:
    """`address 1 (slack)`."""
    return f"address {number} ({url.get_secret_value().partition('://')[0].lower()})"


def send(url: SecretStr, title: str, body: str, kind: str) -> str:
    """Empty where it was taken, else why not. `kind` is one of Apprise's: failure, warning, success. Raises nothing."""
    import apprise  # heavy, and needed only where somebody is to be told

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    # no pictures from elsewhere: the recipient's program would fetch them
    asset = apprise.AppriseAsset(app_id="Funnelhouse", app_desc="Funnelhouse", app_url="", secure_logging=True)
    asset.image_url_mask = asset.image_url_logo = ""
    try:
        target = apprise.Apprise.instantiate(url.get_secret_value(), asset=asset, suppress_exceptions=True)
        if target is None:
            return "it is no address that Apprise knows, or lacks a part"
        sender = apprise.Apprise(asset=asset)
        sender.add(target)
        result = sender.notify(body=body, title=title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
        if result:
            return ""
        said = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR")]
        return _without(url, said[0] if said else "it did not take the message")
    except Exception as error:  # a notifier must not stop anybody
        return _without(url, f"{type(error).__name__}: {error}")


def _without(url: SecretStr, said: str) -> str:
    """What was said, without any part of the address."""
    address = url.get_secret_value()
    parts = {part for text in (address, unquote(address)) for part in re.split(r"[/?&=:@,+]+", text)[1:]}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            said = said.replace(part, "…")
    return " ".join(said.split())[:LONGEST_REASON]
