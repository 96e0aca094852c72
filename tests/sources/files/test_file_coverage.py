"""Which days a dropped file covers, and which subjects its columns feed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dagster_project.sources.files import STREAMS
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.wire import ConfigError, Tally
from dagster_project.wire.contract import Part
from tests.support.dropped_files import settings

TODAY = date(2026, 10, 10)


def parts(folder: Path, *mappings: dict[str, Any], today: date = TODAY, time_zone: str = "UTC") -> list[Part]:
    """What the sweep says of its parts."""
    stream = next(s for s in STREAMS if s.name == mappings[0]["stream"])
    of = settings(folder, *mappings).model_copy(update={"today": today, "reporting_time_zone": time_zone})
    tally = Tally()
    for _ in stream.sweep(of, tally):
        pass
    assert tally.parts is not None
    return tally.parts


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")


def leads(**more: Any) -> dict[str, Any]:
    columns = {"lead_id": "id", "created_at": "created", **more.pop("columns", {})}
    return {"name": "crm", "stream": "leads", "path": "leads*.csv", "columns": columns, **more}


@pytest.fixture
def old_leads(tmp_path: Path) -> Path:
    """Two exports of a CRM that ended: 3 January to 20 November 2024."""
    write(tmp_path, "leads_2024-06.csv", "id,created", "1,2024-01-03 10:00", "2,2024-05-01 10:00")
    write(tmp_path, "leads_2024-11.csv", "id,created", "3,2024-07-09 10:00", "4,2024-11-20 23:30")
    return tmp_path


@pytest.mark.parametrize(
    ("mapping", "first", "last"),
    [
        ({}, date(2024, 1, 3), date(2024, 11, 20)),
        ({"covers": "rows"}, date(2024, 1, 3), date(2024, 11, 20)),
        ({"covers": "today"}, date(2024, 1, 3), None),
        ({"covers": "file_date", "file_date": "%Y-%m"}, date(2024, 1, 3), date(2024, 11, 30)),
        ({"covers": "file_date", "file_date": "leads_%Y-%m.csv"}, date(2024, 1, 3), date(2024, 11, 30)),
        ({"covers": "today", "covers_from": "2023-01-01"}, date(2023, 1, 1), None),
        ({"covers_from": date(2024, 3, 1)}, date(2024, 3, 1), date(2024, 11, 20)),
    ],
)  # fmt: skip
def test_a_file_covers_its_rows_unless_the_mapping_says_more(
    old_leads: Path, mapping: dict[str, Any], first: date, last: date | None
) -> None:
    [part] = parts(old_leads, leads(**mapping))
    assert (part.first_day, part.last_day) == (first, last)
    assert part.begins == min(first, date(2024, 1, 3))


@pytest.mark.parametrize(("name", "pattern", "last"), [
    ("spend_20260930.csv", "%Y%m%d", date(2026, 9, 30)),
    ("2026-09-01_2026-09-30 spend.csv", "%Y-%m-%d", date(2026, 9, 30)),  # the later of two
    ("spend_30.09.26.csv", "%d.%m.%y", date(2026, 9, 30)),
    ("drops/2026/spend_2026-02.csv", "_%Y-%m", date(2026, 2, 28)),
])  # fmt: skip
def test_the_date_in_a_name_is_the_last_day(tmp_path: Path, name: str, pattern: str, last: date) -> None:
    write(tmp_path, name, "day,cost", "2026-01-05,1")
    mapping = {
        "name": "ads", "stream": "ad_cost", "path": name.replace("spend", "*"), "columns": {"date": "day", "cost": "cost"},
        "constants": {"currency_code": "EUR"}, "covers": "file_date", "file_date": pattern,
    }  # fmt: skip
    [part] = parts(tmp_path, mapping)
    assert (part.first_day, part.last_day) == (date(2026, 1, 5), last)


def test_a_name_without_the_date_is_told(tmp_path: Path) -> None:
    write(tmp_path, "leads_final.csv", "id,created", "1,2024-01-03")
    with pytest.raises(
        ConfigError, match=r"files entry 'crm': the name 'leads_final.csv' has no date as '%Y-%m-%d' says"
    ):
        parts(tmp_path, leads(covers="file_date", file_date="%Y-%m-%d"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"covers": "file_date"}, "covers: file_date and file_date .* need each other"),
        ({"file_date": "%Y-%m-%d"}, "covers: file_date and file_date .* need each other"),
        ({"covers": "file_date", "file_date": "%H"}, "the date in a file's name has year, month"),
        ({"covers": "file_date", "file_date": "%d.%m"}, "the date in a file's name has year, month"),
        ({"covers": "always"}, "'rows', 'today' or 'file_date'"),
    ],
)
def test_a_wrong_word_is_refused_at_load(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileMapping.model_validate(leads(**more))


def test_stages_and_updates_are_days_of_a_lead_too(tmp_path: Path) -> None:
    """The last lead is of 20 August; the export knows of an MQL of 5 September and a change of 7 September."""
    write(
        tmp_path,
        "leads.csv",
        "id,created,mql,changed",
        "1,2026-08-20,2026-09-05,2026-09-01",
        "2,2026-08-01,,2026-09-07",
    )
    [part] = parts(tmp_path, leads(columns={"mql_at": "mql", "updated_at": "changed"}))
    assert (part.first_day, part.last_day) == (date(2026, 8, 1), date(2026, 9, 7))
    [part] = parts(tmp_path, leads(columns={"mql_at": "mql"}))
    assert part.last_day == date(2026, 9, 5)


def test_the_hoped_for_close_of_an_open_deal_is_no_day_of_a_file(tmp_path: Path) -> None:
    write(
        tmp_path, "deals.csv", "id,status,created,closed",
        "1,open,2024-03-01,2027-12-31", "2,won,2024-02-01,2024-04-09", "3,lost,2024-02-01,2099-01-01",
    )  # fmt: skip
    columns = {"deal_id": "id", "status": "status", "created_at": "created", "closed_at": "closed"}
    mapping = {"name": "crm", "stream": "deals", "path": "deals.csv", "columns": columns}
    [part] = parts(tmp_path, mapping)
    assert (part.first_day, part.last_day) == (date(2024, 2, 1), TODAY)  # the lost one's year is a mistake
    write(
        tmp_path, "deals.csv", "id,status,created,closed", "1,open,2024-03-01,2027-12-31", "2,won,2024-02-01,2024-04-09"
    )
    assert parts(tmp_path, mapping)[0].last_day == date(2024, 4, 9)


def test_a_cost_line_covers_its_whole_time(tmp_path: Path) -> None:
    write(
        tmp_path,
        "costs.csv",
        "from,to,cost,kind",
        "2026-01-01,2026-12-31,1200,technology",
        "2026-03-01,2026-03-31,5,labour",
    )
    columns = {"start_date": "from", "end_date": "to", "amount": "cost", "cost_type": "kind"}
    mapping = {
        "name": "books",
        "stream": "other_costs",
        "path": "costs.csv",
        "columns": columns,
        "constants": {"currency_code": "EUR"},
    }
    [part] = parts(tmp_path, mapping)
    assert (part.feeds, part.first_day, part.last_day) == (("cost",), date(2026, 1, 1), date(2026, 12, 31))
    write(tmp_path, "costs.csv", "from,to,cost,kind", "2026-01-01,2026-12-31,1200,Media")
    assert set(parts(tmp_path, mapping)[0].feeds) == {"cost", "media"}


def test_days_are_those_of_the_reporting_zone(tmp_path: Path) -> None:
    write(tmp_path, "leads.csv", "id,created", "1,2026-08-20T22:30:00Z", "2,2026-08-31T22:30:00Z")
    [part] = parts(tmp_path, leads(), time_zone="Europe/Berlin")
    assert (part.first_day, part.last_day) == (date(2026, 8, 21), date(2026, 9, 1))


def test_columns_that_are_mapped_feed_their_subjects(tmp_path: Path) -> None:
    write(tmp_path, "visits.csv", "id,start,device,engaged,source", "1,2026-08-20,,true,x")

    def fed(columns: dict[str, str], **more: Any) -> set[str]:
        mapping = {
            "name": "web", "stream": "sessions", "path": "visits.csv", "columns": {"session_id": "id", "started_at": "start", **columns}, **more
        }  # fmt: skip
        return set(parts(tmp_path, mapping)[0].feeds)

    assert fed({}) == {"web"}
    assert fed({"device": "device"}) == {"web", "web.device"}
    assert fed({"is_engaged": "engaged", "source": "source"}) == {"web", "web.engagement", "web.origin"}
    assert fed({}, constants={"device": "desktop"}) == {"web", "web.device"}


def test_a_file_without_rows_covers_nothing_and_feeds_what_it_maps(tmp_path: Path) -> None:
    write(tmp_path, "leads.csv", "id,created")
    [part] = parts(tmp_path, leads())
    assert part.feeds == ("leads",)
    assert part.begins is None
    assert part.first_day > part.last_day  # type: ignore[operator]
    [whole] = parts(tmp_path, leads(covers="today", covers_from="2026-01-01"))
    assert (whole.first_day, whole.last_day, whole.begins) == (date(2026, 1, 1), None, date(2026, 1, 1))


def test_entries_of_one_name_leave_no_gap_between_them_and_others_do(tmp_path: Path) -> None:
    """Until May in the old shape, from June on in the new one; another CRM from August on."""
    write(tmp_path, "leads_old.csv", "id,created", "1,2026-01-03", "2,2026-05-20")
    write(tmp_path, "leads_new.csv", "id,created,mql", "3,2026-06-08,", "4,2026-06-30,")
    write(tmp_path, "leads_b.csv", "id,created", "3,2026-08-08", "4,2026-08-30")
    found = parts(
        tmp_path,
        leads(path="leads_old.csv"),
        leads(path="leads_new.csv", columns={"mql_at": "mql"}),
        leads(path="leads_b.csv", name="other"),
    )
    assert [(part.name, part.first_day, part.last_day) for part in found] == [
        ("crm", date(2026, 1, 3), date(2026, 6, 7)),
        ("crm", date(2026, 6, 8), date(2026, 6, 30)),
        ("other", date(2026, 8, 8), date(2026, 8, 30)),
    ]
    assert [part.feeds for part in found] == [("leads",), ("leads", "mql"), ("leads",)]
