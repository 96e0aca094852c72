"""A page as a real browser has it: Debian's Chromium without a window, and without the network that it is denied anyway."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=20000",
)  # fmt: skip


@dataclass
class Dom(HTMLParser):
    """What a page became: its attributes of <html>, its text, and each element that carries `data-kpi`."""

    html: dict[str, str | None] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    values: list[dict[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self._hidden += tag in ("script", "style")
        if tag == "html":
            self.html = found
        if "data-kpi" in found:
            self.values.append(found)

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.texts.append(data.strip())

    def value(self, kpi: str, member: str | None = None) -> str | None:
        """The first value that the page shows of a KPI, or of one member of a cut."""
        return next(v["data-value"] for v in self.values if (v["data-kpi"], v.get("data-member")) == (kpi, member))


def dom_of(page: Path, folder: Path, address: str = "") -> Dom:
    """The page after its scripts ran, opened from disk as `page#address`. Skips where there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("no chromium on this machine: the report is not looked at in a browser")
    done = subprocess.run(
        [
            chromium,
            *SWITCHES,
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            f"{page.resolve().as_uri()}#{address}",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    dom = Dom()
    dom.feed(done.stdout)
    return dom
