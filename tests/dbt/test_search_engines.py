"""Rows of search engines in the marts: totals conserved whatever the engine withholds, countries by ISO, pages beside visits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sandbox.company import search
from dagster_project.sources import google_search_console as gsc
from dagster_project.sources import yandex_webmaster as webmaster
from dagster_project.sources.google_search_console.settings import SearchConsoleSettings
from dagster_project.sources.yandex_webmaster.settings import WebmasterSettings
from dagster_project.wire.contract import Tally, Window
from tests.support.house import House

DAYS = Window(date(2026, 9, 22), date(2026, 9, 25))


@pytest.fixture
def sandbox(waits: list[float]) -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["google_search_console", "yandex_webmaster"]) as running:
        yield running


def searched(sandbox: Sandbox, engine: str) -> list[search.Searches]:
    return search.days_as_of(sandbox.company.seed, engine, sandbox.clock.now(), DAYS.start, DAYS.last)


def test_what_engines_count_reaches_the_marts_and_adds_up(sandbox: Sandbox, house: House) -> None:
    given: tuple[tuple[Any, Any], ...] = (
        (gsc, SearchConsoleSettings.model_validate(sandbox.env)),
        (webmaster, WebmasterSettings.model_validate(sandbox.env)),
    )
    for source, settings in given:
        for stream in source.STREAMS:
            house.put(
                stream.id, [row for page in stream.read(settings, DAYS, Tally()) for row in page.rows.to_pylist()]
            )
    unknown = {
        "date": DAYS.start, "search_type": "web", "country": "zzz", "device": "(not set)", "clicks": 1, "impressions": 2,
        "position": 3.5, "is_final": False, "account_id": "other",
    }  # fmt: skip
    house.put("google_search_console/totals", [
        unknown,
        *(row for page in gsc.TOTALS.read(given[0][1], DAYS, Tally()) for row in page.rows.to_pylist()),  # type: ignore[misc]
    ])  # fmt: skip
    house.rules({"brand": {"words": ["kontorra"]}})
    house.build("stg_meta__windows", "fct_web_traffic", "fct_search_queries", "audit_organic_search")

    for system, engine in (("google_search_console", "first"), ("yandex_webmaster", "second")):
        wanted: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
        for each in searched(sandbox, engine):
            key = each.day, (each.country if engine == "first" else None) or "(not set)", each.device
            wanted[key] = [wanted[key][0] + each.clicks, wanted[key][1] + each.impressions]
        found = house.rows(
            "select date_day, country, device, sum(clicks), sum(impressions) from marts.fct_search_queries "
            f"where source_system = '{system}' and account_id <> 'other' group by all"
        )
        assert {row[:3]: list(row[3:]) for row in found} == wanted
        rare = sum(each.impressions for each in searched(sandbox, engine) if each.is_rare)
        assert rare
        assert house.rows(
            "select sum(impressions) from marts.fct_search_queries where is_withheld and account_id <> 'other' "
            f"and source_system = '{system}'"
        ) == [(rare,)]
        brand = sum(each.clicks for each in searched(sandbox, engine) if each.words in ("kontorra", "kontorra login"))
        assert house.rows(
            f"select sum(clicks) from marts.fct_search_queries where is_brand and source_system = '{system}'"
        ) == [(brand,)]
    assert house.rows(
        "select engine, country, device, query, clicks, impressions, position_sum, is_final from marts.fct_search_queries "
        "where account_id = 'other'"
    ) == [("google", "(not set)", "(not set)", "(withheld)", 1, 2, 7, False)]
    average = house.rows(
        "select engine, sum(position_sum) / sum(impressions) from marts.fct_search_queries where query = 'kontorra login' "
        "group by 1 order by 1"
    )
    for (engine, position), of in zip(average, ("first", "second"), strict=True):
        logins = [each for each in searched(sandbox, of) if each.words == "kontorra login"]
        shown = sum(each.impressions for each in logins)
        assert float(position) == pytest.approx(
            sum(each.place * each.impressions for each in logins) / shown, abs=1e-4
        ), engine
    result = house.build("fct_search_queries", "audit_organic_search", command="test")
    assert {each.status for each in result.result} <= {"pass", "success"}


def test_countries_by_three_letters(house: House) -> None:
    wanted = {
        "deu": "DE",
        "USA": "US",
        " xkk ": "XK",
        "zzz": None,
        "de": None,
        "": None,
        "eDE": None,
        "abw": "AW",
        "zwe": "ZW",
    }
    sql = house.compiled(
        "select " + ", ".join(f"{{{{ country_of_alpha3(\"'{code}'\") }}}} as c{n}" for n, code in enumerate(wanted))
    )
    assert house.rows(sql) == [tuple(wanted.values())]
