"""Files whose rows stand for several visits, and deals of several people: from the file to the facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.wire import Tally
from tests.support.house import DbtProject, House

VISITS = {
    "name": "report", "stream": "sessions", "path": "visits.csv",
    "columns": {
        "started_at": "Day", "source": "Source", "medium": "Medium", "count": "Sessions", "engaged_sessions": "Engaged",
        "new_visitors": "New", "key_events": "Goals", "sessions_with_key_event": "With goal", "page_views": "Views",
    },
}  # fmt: skip
SINGLE = {
    "name": "log", "stream": "sessions", "path": "log.csv",
    "columns": {
        "session_id": "id", "started_at": "at", "client_id": "client", "source": "src", "medium": "med", "is_engaged": "eng",
        "key_events": "goals",
    },
}  # fmt: skip


def sweep(house: House, folder: Path, *mappings: dict[str, Any]) -> None:
    settings = FilesSettings(
        mappings=tuple(FileMapping.model_validate(mapping) for mapping in mappings),
        base_folder=str(folder),
        hash_key="a key that is long enough",
    )
    house.on.add("files")
    for name in {mapping["stream"] for mapping in mappings}:
        stream = house.streams[f"files/{name}"]
        assert stream.sweep is not None
        house._replace_all(stream, stream.sweep(settings, Tally()))


@pytest.fixture(scope="module")
def counted(dbt_project: DbtProject, tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("counted")
    house = House(folder / "house", dbt_project)
    house.rules({"web": {"truth": "files"}})
    (folder / "visits.csv").write_text(
        "Day,Source,Medium,Sessions,Engaged,New,Goals,With goal,Views\n"
        "2026-03-02,google,cpc,120,70,33,9,7,300\n2026-03-02,(direct),(none),30,10,2,0,0,31\n2026-03-03,google,cpc,0,0,0,0,0,0\n"
        "2026-03-03,google,organic,5,,,,,\n"
    )
    (folder / "log.csv").write_text(
        "id,at,client,src,med,eng,goals\n1,2026-03-02 10:00,a,google,cpc,true,2\n2,2026-03-02 11:00,b,google,cpc,false,\n"
    )
    sweep(house, folder, VISITS, SINGLE)
    house.build("+fct_web_traffic", "+fct_web_key_events", "+int_touchpoints_unioned", "+int_tags_classified")
    return house


def test_visits_that_are_counted_are_as_many_sessions(counted: House) -> None:
    rows = counted.rows(
        "select strftime(date_day, '%d'), channel, sum(sessions), sum(engaged_sessions), sum(new_visitors), sum(key_events),"
        " sum(sessions_with_key_event), sum(page_views) from marts.fct_web_traffic group by all order by all"
    )
    # 120 and 30 of the report, and on the same day two of the log: one engaged, one with key events
    assert rows == [
        ("02", "Direct", 30, 10, 2, 0, 0, 31),
        ("02", "Paid Search", 122, 71, 33, 11, 8, 300),
        ("03", "Organic Search", 5, 0, 0, 0, 0, 0),
        ("03", "Paid Search", 0, 0, 0, 0, 0, 0),
    ]
    events = counted.rows("select sum(key_events), sum(sessions) from marts.fct_web_key_events")
    assert events == [(11, 8)]
    assert counted.rows("select sum(sessions) from intermediate.int_tags_classified") == [(157,)]


def test_visits_that_are_counted_are_nobodys_touches(counted: House) -> None:
    assert counted.rows("select visitor_id from intermediate.int_touchpoints_unioned order by all") == [("a",), ("b",)]
