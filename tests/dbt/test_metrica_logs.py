"""Visits of Yandex.Metrica's Logs API, mapped as docs/files.md shows: from the file to touchpoints and credit.

The rows are invented; the field names and how cells are written are those of Yandex (dev/metrika/logs/fields/visits,
and ClickHouse's TabSeparated, into which Yandex's own script loads the same bytes).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.wire import Tally
from tests.support.crm_rows import portal
from tests.support.crm_world import lead
from tests.support.house import DBT_PROJECT, DbtProject, House

PAGE = DBT_PROJECT.parent / "docs" / "files.md"
HEADER = (
    "ym:s:visitID", "ym:s:date", "ym:s:dateTime", "ym:s:clientID", "ym:s:isNewUser", "ym:s:startURL", "ym:s:pageViews",
    "ym:s:visitDuration", "ym:s:bounce", "ym:s:regionCountry", "ym:s:goalsID", "ym:s:lastTrafficSource",
    "ym:s:lastAdvEngine", "ym:s:lastSearchEngineRoot", "ym:s:lastSocialNetwork", "ym:s:lastMessenger", "ym:s:referer",
    "ym:s:lastUTMCampaign", "ym:s:lastUTMContent", "ym:s:lastUTMMedium", "ym:s:lastUTMSource", "ym:s:lastUTMTerm",
    "ym:s:deviceCategory",
)  # fmt: skip
SITE = "https://shop.example/"
ANNA, OTHER = "1650000000000000001", "9007199254740993"  # beyond what a float holds


def visit(
    number: int, day: str, time: str, client: str = OTHER, url: str = SITE, traffic: str = "direct", **more: str
) -> str:
    """One line; `more` are fields without their prefix."""
    cells = dict.fromkeys(HEADER, "") | {
        "ym:s:visitID": str(number), "ym:s:date": f"2026-03-{day}", "ym:s:dateTime": f"2026-03-{day} {time}",
        "ym:s:clientID": client, "ym:s:isNewUser": "0", "ym:s:startURL": url, "ym:s:pageViews": "1", "ym:s:visitDuration": "0",
        "ym:s:bounce": "1", "ym:s:regionCountry": "RU", "ym:s:goalsID": "[]", "ym:s:lastTrafficSource": traffic,
        "ym:s:deviceCategory": "1",
    }  # fmt: skip
    cells |= {f"ym:s:{name}": value for name, value in more.items()}
    assert len(cells) == len(HEADER)
    return "\t".join(cells.values())


TAGS = "utm_source=yandex&utm_medium=cpc&utm_campaign=vesna"
FIRST_FILE = [
    # an ad with tags and a click id; the phrase in quotes is how Direct writes an exact match. 00:30 in Moscow
    visit(1, "02", "00:30:00", ANNA, f"{SITE}?{TAGS}&yclid=111", "ad", lastAdvEngine="ya_direct", lastUTMSource="yandex",
          lastUTMMedium="cpc", lastUTMCampaign="vesna", lastUTMTerm='"касса"', isNewUser="1", pageViews="5",
          visitDuration="130", bounce="0", goalsID="[1234,1234,5678]", deviceCategory="2"),
    visit(2, "03", "12:00:00", ANNA, traffic="organic", lastSearchEngineRoot="yandex", referer="https://yandex.ru/", deviceCategory="3"),
    visit(3, "04", "12:00:00", ANNA),
    visit(4, "06", "12:00:00", ANNA, traffic="social", lastSocialNetwork="vkontakte", referer="https://away.vk.com/"),
    # an ad without tags: the click id says so, and where there is none Metrica does
    visit(5, "05", "10:00:00", url=f"{SITE}?yclid=222", traffic="ad", lastAdvEngine="ya_direct"),
    visit(6, "05", "11:00:00", traffic="ad", lastAdvEngine="google_adwords", referer="https://www.google.com/"),
    visit(7, "05", "12:00:00", traffic="referral", referer="https://www.partner.example/x"),
    visit(8, "05", "13:00:00", traffic="referral", referer="https://securepay.tinkoff.ru/"),
    visit(9, "05", "14:00:00", traffic="internal", referer=f"{SITE}cart"),
    visit(10, "05", "15:00:00", traffic="messenger", lastMessenger="telegram"),
    # escapes, a lone quote, and a letter that is none
    visit(11, "05", "16:00:00", traffic="email", lastUTMSource="news", lastUTMMedium="email", lastUTMCampaign="весна\\\\лето",
          lastUTMTerm='"one\\ttab', lastUTMContent="d\\'or", deviceCategory="4"),
    visit(12, "05", "17:00:00", client="0", traffic="undefined"),
    visit(13, "05", "18:00:00", goalsID="1234"),
    visit(14, "05", "19:00:00") + "\tone cell too many",
]  # fmt: skip
# three days later Metrica knows more of a visit; the number comes again a year later
SECOND_FILE = [
    visit(3, "04", "12:00:00", ANNA, goalsID="[5678]"),
    visit(1, "09", "12:00:00").replace("2026-03-09", "2027-03-09"),
]


def mapping_of_the_page(folder: Path) -> FileMapping:
    block = next(
        text
        for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        if "ym:s:" in text
    )
    entries = yaml.safe_load(block)["files"]
    return FileMapping.model_validate(next(e for e in entries if e["stream"] == "sessions")).with_variables(
        {"DROPS": str(folder)}
    )


@pytest.fixture(scope="module")
def told() -> Tally:
    return Tally()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, dbt_project: DbtProject, told: Tally) -> House:
    folder = tmp_path_factory.mktemp("metrica")
    for name, lines in {"visits_1.tsv": FIRST_FILE, "visits_2.tsv": SECOND_FILE}.items():
        (folder / name).write_text("\n".join(["\t".join(HEADER), *lines]) + "\n", encoding="utf-8")
    settings = FilesSettings(
        mappings=(mapping_of_the_page(folder),), base_folder=str(folder), hash_key="a key that is long enough"
    )
    house = House(folder / "home", dbt_project)
    house.rules({"reporting": {"time_zone": "Europe/Moscow"}})
    rows = [row for page in house.streams["files/sessions"].sweep(settings, told) for row in page.rows.to_pylist()]
    contacts = portal([lead("anna", "2026-03-05T09:00", ym_client_id=ANNA)])
    for stream_id, raw in {**contacts, "files/sessions": rows}.items():
        house.put(stream_id, raw)
    house.build("+fct_attribution", "+fct_touchpoints")
    return house


def test_every_visit_is_a_touch_where_it_says_it_came_from(house: House) -> None:
    found = house.rows(
        "select split_part(touch_id, '-', -1)::int as number, strftime(touched_at, '%m-%d %H:%M'), visitor_id, channel, source, medium, "
        "campaign_key, device, yclid from marts.fct_touchpoints where touch_kind = 'session' and touched_at < '2027-01-01' order by number"
    )
    assert found == [
        (1, "03-01 21:30", ANNA, "Paid Search", "yandex", "cpc", "utm:vesna", "mobile", "111"),
        (2, "03-03 09:00", ANNA, "Organic Search", "yandex", "organic", "(not set)", "tablet", None),
        (3, "03-04 09:00", ANNA, "Direct", "(direct)", "(none)", "(not set)", "desktop", None),
        (4, "03-06 09:00", ANNA, "Organic Social", "vkontakte", "social", "(not set)", "desktop", None),
        (5, "03-05 07:00", OTHER, "Paid Search", "yandex", "cpc", "(not set)", "desktop", "222"),
        (6, "03-05 08:00", OTHER, "Paid Search", "google", "cpc", "(not set)", "desktop", None),
        (7, "03-05 09:00", OTHER, "Referral", "partner.example", "referral", "(not set)", "desktop", None),
        (8, "03-05 10:00", OTHER, "Direct", "(direct)", "(none)", "(not set)", "desktop", None),
        (9, "03-05 11:00", OTHER, "Direct", "(direct)", "(none)", "(not set)", "desktop", None),
        (10, "03-05 12:00", OTHER, "Organic Social", "telegram", "social", "(not set)", "desktop", None),
        (11, "03-05 13:00", OTHER, "Email", "news", "email", "utm:весна\\лето", "smart tv", None),
        # a visit whose goals cannot be counted is a visit
        (13, "03-05 15:00", OTHER, "Direct", "(direct)", "(none)", "(not set)", "desktop", None),
    ]
    assert house.rows("select term, content from marts.fct_touchpoints where source = 'news'") == [
        ('"one\ttab', "d'or")
    ]


def test_what_metrica_counted_is_counted(house: House) -> None:
    rows = house.rows(
        "select session_id, key_events, is_engaged, is_new_visitor, page_views, engagement_seconds::int, country "
        "from intermediate.int_sessions where client_id = '" + ANNA + "' order by session_id"
    )
    assert rows == [
        (f"{ANNA}.2026-03-02-1", 3, True, True, 5, 130, "RU"),
        (f"{ANNA}.2026-03-03-2", 0, False, False, 1, 0, "RU"),
        (f"{ANNA}.2026-03-04-3", 1, False, False, 1, 0, "RU"),  # as the later file has it
        (f"{ANNA}.2026-03-06-4", 0, False, False, 1, 0, "RU"),
    ]
    numbers = house.rows("select session_id from intermediate.int_sessions where session_id like '%-1' order by 1")
    assert numbers == [(f"{ANNA}.2026-03-02-1",), (f"{OTHER}.2027-03-09-1",)]  # a session is its client's


def test_the_lead_with_that_client_id_gets_its_visits(house: House) -> None:
    """Three visits before the lead of 5 March, none of which the visit of 6 March may share."""
    found = house.rows(
        "select model, channel, sum(credit) from marts.fct_attribution where conversion_type = 'lead' "
        "and model in ('first', 'last', 'last_non_direct', 'linear', 'last_paid') group by all order by all"
    )
    third = pytest.approx(1 / 3, abs=1e-9)
    assert [(model, channel, float(credit)) for model, channel, credit in found] == [
        ("first", "Paid Search", 1),
        ("last", "Direct", 1),
        ("last_non_direct", "Organic Search", 1),
        ("last_paid", "Paid Search", 1),
        ("linear", "Direct", third),
        ("linear", "Organic Search", third),
        ("linear", "Paid Search", third),
    ]


def test_bad_lines_are_told(house: House, told: Tally) -> None:
    assert told.bad_rows == ["metrica: visits_1.tsv, line 15: 24 cells where the header has 23"]
    assert told.bad_cells == [
        "metrica: visits_1.tsv, line 14: key_events (ym:s:goalsID) '1234' is not a list such as [12,34]; counts takes lists only"
    ]
