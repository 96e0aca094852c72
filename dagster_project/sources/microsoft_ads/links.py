"""Where an ad leads: final URL, tracking template, suffix and custom parameters put together, as a click would find them.

https://learn.microsoft.com/advertising/guides/url-tracking-upgraded-urls
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

_LANDING = re.compile(r"^\{(?:unescaped)?lpurl\}", re.IGNORECASE)
_CUSTOM = re.compile(r"\{(_\w+)\}\s*=\s*([^;]*)")


def address(final_url: str, template: str, suffix: str, custom: str, known: Mapping[str, str]) -> str:
    """The landing page with its tags; `known`: parameters of this ad by their names in lower case. What is known at the
    click alone ({keyword}, {msclkid}) stays as it is written.

    A template that begins with the landing page adds to it. One that goes through a tracker leads there all the same.
    """
    if found := _LANDING.match(template):
        added = template[found.end() :]
        # "{lpurl}?a=1": the address has one question mark, however it came by the first
        final_url = _joined(final_url, added[1:]) if added[:1] in ("?", "&") else final_url + added
    if suffix:
        final_url = _joined(final_url, suffix.lstrip("?&"))
    own = {name.lower(): value.strip() for name, value in _CUSTOM.findall(custom)}
    return re.sub(r"\{(\w+)\}", lambda written: _filled(written, {**known, **own}), final_url)


def _joined(url: str, added: str) -> str:
    if not added:
        return url
    rest, hash_sign, fragment = url.partition("#")
    sign = "" if rest.endswith(("?", "&")) else "&" if "?" in rest else "?"
    return f"{rest}{sign}{added}{hash_sign}{fragment}"


def _filled(written: re.Match[str], known: Mapping[str, str]) -> str:
    value = known.get(written[1].lower())
    return written[0] if value is None else quote(value, safe="")
