"""The newsletter tool's clicks: whose they are, the visits that they began, and the files that the tool drops."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.sandbox import DEMO_CONFIG, Sandbox, serve
from dagster_project.sandbox.company import DEMO_TODAY, SITE_HOST, Company, build
from dagster_project.settings import load_settings
from dagster_project.sources.files import STREAMS
from dagster_project.wire import Tally

HEADER = ["Mailing", "Recipient", "Clicked at", "Link", "Status"]


@pytest.fixture(scope="module")
def company() -> Company:
    return build()


@pytest.fixture
def sandbox() -> Sandbox:
    with serve(vendors=["files"]) as running:
        yield running


def dropped(sandbox: Sandbox) -> dict[str, list[list[str]]]:
    """File name -> its lines below the header."""
    found = {}
    for path in sorted(Path(sandbox.env["KONTORRA_NEWSLETTER"]).iterdir()):
        header, *found[path.name] = csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter=";")
        assert header == HEADER
    return found


def test_a_readers_click_is_followed_by_the_visit_that_its_link_began(company: Company) -> None:
    known = {
        (change.value or "").strip().lower() for contact in company.contacts for change in contact.changes["email"]
    }
    starts = {
        (s["landing_page"], s["started_at_utc"]): s for s in company.web.sessions.to_pylist() if s["started_at_utc"]
    }
    by_page: dict[str, list[tuple[datetime, str]]] = {}
    for (page, at), session in starts.items():
        by_page.setdefault(page, []).append((at, session["landing_query"]))
    followed, without_tags = 0, 0
    clicks = [c for c in company.mail_clicks.to_pylist() if c["recipient"].lower() in known]
    for click in clicks:
        page, _, query = click["link"].removeprefix(f"https://{SITE_HOST}").partition("?")
        window = (click["clicked_at_utc"] + timedelta(seconds=1), click["clicked_at_utc"] + timedelta(seconds=21))
        began = [found for at, found in by_page.get(page, []) if window[0] < at < window[1]]
        followed += query in began
        without_tags += query not in began and "" in began
    # the rest began on a page that GA4 does not know
    assert len(clicks) > 500
    assert followed + without_tags > 0.95 * len(clicks)
    assert 0.05 < without_tags / len(clicks) < 0.25


def test_some_readers_never_become_leads_and_one_leaves(company: Company) -> None:
    clicks = company.mail_clicks.to_pylist()
    strangers = [c for c in clicks if c["recipient"].endswith("@example.net")]
    assert 6 < len({c["recipient"] for c in strangers}) <= 12
    left = [c for c in clicks if c["status"] == "unsubscribed"]
    assert len(left) == 1
    assert left[0]["link"].endswith("/abmelden")
    assert [c for c in clicks if c["recipient"] == left[0]["recipient"]][-1] == left[0]
    assert clicks == sorted(clicks, key=lambda c: c["clicked_at_utc"])


def test_the_tool_drops_what_it_knows_at_the_time_of_the_clock(sandbox: Sandbox) -> None:
    now = dropped(sandbox)
    assert list(now) == [
        f"clicks_{y}-{m:02d}.csv" for y, months in ((2025, range(7, 13)), (2026, range(1, 11))) for m in months
    ]
    clicks = sandbox.company.mail_clicks.filter(
        [at <= sandbox.clock.now() for at in sandbox.company.mail_clicks["clicked_at_utc"].to_pylist()]
    )
    assert sum(map(len, now.values())) == len(clicks) + 2  # a line twice, and a test click
    sandbox.clock.set(date(2025, 9, 20))
    earlier = dropped(sandbox)
    assert list(earlier) == ["clicks_2025-07.csv", "clicks_2025-08.csv", "clicks_2025-09.csv"]
    assert earlier["clicks_2025-08.csv"] == now["clicks_2025-08.csv"]
    assert len(earlier["clicks_2025-09.csv"]) <= len(now["clicks_2025-09.csv"])
    sandbox.clock.set(date(2025, 7, 1))  # nobody has clicked yet
    assert dropped(sandbox) == {"clicks_2025-07.csv": []}
    sandbox.clock.set(DEMO_TODAY)
    assert dropped(sandbox) == now


def test_the_demos_mapping_reads_them(sandbox: Sandbox, tmp_path: Path) -> None:
    settings = load_settings(
        {**sandbox.env, "FUNNELHOUSE_HOME": str(tmp_path), "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG)}, folder=tmp_path
    )
    assert settings.of("files") is not None
    assert [stream.name for stream in STREAMS if stream.is_on(settings.of("files"))] == ["email_clicks"]
    tally = Tally()
    stream = next(s for s in STREAMS if s.name == "email_clicks")
    rows = [row for page in stream.sweep(settings.of("files"), tally) for row in page.rows.to_pylist()]
    lines = dropped(sandbox)
    assert len(rows) == sum(map(len, lines.values())) - 1
    last = len(lines["clicks_2025-09.csv"]) + 1
    assert tally.bad_rows == [f"newsletter: clicks_2025-09.csv, line {last}: email_hash (Recipient) is empty"]
    twice = Counter((r["email_hash"], r["clicked_at"], r["url"]) for r in rows)
    assert [count for count in twice.values() if count > 1] == [2]
    # 03.09.2025 11:19:02 in Berlin is 09:19:02 UTC
    first = next(r for r in rows if r["_file"] == "clicks_2025-09.csv")
    written = datetime.strptime(lines["clicks_2025-09.csv"][0][2], "%d.%m.%Y %H:%M:%S")
    assert first["clicked_at"] == written.replace(tzinfo=UTC) - timedelta(hours=2)


def test_the_folder_ends_with_the_sandbox_and_is_nobodys_where_it_is_not_served() -> None:
    with serve(vendors=["files"]) as running:
        folder = Path(running.env["KONTORRA_NEWSLETTER"])
        assert folder.is_dir()
    assert not folder.exists()
    with serve(vendors=["fx"]) as running:
        assert "KONTORRA_NEWSLETTER" not in running.env
