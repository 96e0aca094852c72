"""One page from its parts: markup, style, scripts, words in three languages, the charting library, the content."""

from __future__ import annotations

import gzip
import json
import sys
from base64 import b64encode
from datetime import date
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

PARTS = Path(__file__).parent
SCRIPTS = ("facts.js", "words.js", "charts.js", "board.js", "tables.js", "main.js")
LIBRARY = "vl-convert-python"


def made_from(today: date) -> str:
    """What a page was made from beside the tables, for its head: the day, and a digest of these parts."""
    digest = sha256()
    for path in sorted(PARTS.iterdir()):
        if path.is_file():
            digest.update(path.read_bytes())
    return f"{today} {version(LIBRARY)} {digest.hexdigest()[:16]}"


def page_of(content: dict[str, Any], stamp: str = "") -> str:
    """The HTML of a report. Nothing in it asks for anything from outside: its policy forbids it."""
    parts = {
        "stamp": stamp,
        "style": (PARTS / "page.css").read_text(encoding="utf-8"),
        "library": _packed(charting_library()),
        "scripts": "\n".join((PARTS / name).read_text(encoding="utf-8") for name in SCRIPTS),
        "words": _json(words()).replace("<", "\\u003c"),  # no text in it can end the page's own tag
        "content": _packed(_json(content)),
    }
    page = (PARTS / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text, 1)
    return page


@cache
def words() -> dict[str, Any]:
    """language -> key -> text; the names of KPIs under `kpis`."""
    loaded: dict[str, Any] = yaml.safe_load((PARTS / "words.yml").read_text(encoding="utf-8"))
    return loaded


def charting_library() -> str:
    """Vega-Lite, Vega and vega-embed as one script (BSD-3), as the package vl-convert-python carries them.

    Bundling takes seconds, so it is kept beside the installed packages, or where that folder is not ours to write, made
    each time.
    """
    kept = Path(sys.prefix) / "share" / "funnelhouse" / f"{LIBRARY}-{version(LIBRARY)}.js"
    if kept.exists():
        return kept.read_text(encoding="utf-8")
    import vl_convert

    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default: all three on `window`
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(script, encoding="utf-8")
        partial.rename(kept)
    except OSError:  # a read-only environment: the next report pays again
        return script
    return script


def _json(content: Any) -> str:
    return json.dumps(content, default=_day, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _packed(text: str) -> str:
    """A third of its size, and no text in it can end the page's own tag."""
    return b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _day(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place on the page")
