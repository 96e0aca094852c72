"""One odd record of an API is a bad row, or a bad cell: counted, shown, left out, and the others are stored."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.raw.zone import RawZone
from dagster_project.sources import ga4
from dagster_project.sources.files import sweep
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.sources.hubspot import CONTACTS, DEALS
from dagster_project.wire import DriftError, Tally, Window
from dagster_project.wire.columns import to_table
from dagster_project.wire.http import parsed_json
from tests.sources.ga4.test_ga4_client import ROW, RUN_REPORT, answer
from tests.sources.ga4.test_ga4_client import settings as ga4_settings
from tests.sources.google_ads.test_google_ads import AUGUST, CAMPAIGNS, at, batch, google, row
from tests.sources.google_ads.test_google_ads import read as read_ads
from tests.sources.hubspot.test_hubspot_wire import found, read, script_portal
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.what_happens import happens

MOMENT = "2026-09-02T10:00:00Z"


def deal(number: int, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "createdate": MOMENT, "hs_lastmodifieddate": MOMENT, "dealstage": "open",
            "amount": "100.50", "deal_currency_code": "EUR", "account_id": "1", **more}  # fmt: skip


ODD_CELL = "the deal is stored without it; counted, shown with the record's id, `unread_cells` in quality"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        pytest.param("amount", "1e400", marks=happens("a HubSpot deal with an amount of 1e400", ODD_CELL)),
        pytest.param("amount", "9" * 5000, marks=happens("an amount of 5,000 digits", ODD_CELL)),
        pytest.param("amount", float("nan"), marks=happens("an amount that is NaN", ODD_CELL)),
        ("amount", float("inf")),
        ("amount", "NaN"),
        ("amount", 10**18),  # fits no decimal(24, 6)
        ("amount", {"value": 1}),
        pytest.param(
            "closedate", "+275760-09-13T00:00:00Z", marks=happens("a close date in the year 275760", ODD_CELL)
        ),
        pytest.param("closedate", "0206-09-13T00:00:00Z", marks=happens("a close date in the year 206", ODD_CELL)),
        ("closedate", "9" * 40),
        ("closedate", 10**30),
        ("hs_deal_stage_probability", "NaN"),
        ("hs_is_closed", "perhaps"),
    ],
)
def test_an_unreadable_cell_costs_the_cell(cell: str, value: Any, tmp_path: Path) -> None:
    tally = Tally()
    table = to_table(DEALS, [deal(1), deal(2, **{cell: value}), deal(3)], required=("createdate",), tally=tally)
    assert table["id"].to_pylist() == ["1", "2", "3"]
    assert table[cell][1].as_py() is None
    assert table["amount"][0].as_py() == Decimal("100.50")
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 1)
    assert tally.bad_cells[0].startswith(f"hubspot/deals: record 2 (day 2026-09-02): field '{cell}' should be ")
    assert tally.unread_cell_days == {date(2026, 9, 2): 1}
    zone = RawZone(tmp_path / "raw")
    from datetime import UTC, datetime

    from dagster_project.wire import Page

    zone.replace_days(
        DEALS, [date(2026, 9, 2)], [Page(table)], extracted_at=datetime.now(UTC), checked_on=date(2026, 9, 3)
    )
    assert zone.read_day(DEALS, date(2026, 9, 2)).num_rows == 3


@pytest.mark.parametrize(
    "change",
    [{"createdate": "0206-01-01"}, {"createdate": None}, {"id": None}, {"hs_lastmodifieddate": "soon"}],
)
@happens("a HubSpot record without its id or creation date", "left out, counted, its money said; the others are stored")
def test_a_record_that_cannot_be_filed_is_left_out(change: dict[str, Any]) -> None:
    tally = Tally()
    table = to_table(DEALS, [deal(1), deal(2, **change), deal(3)], required=("createdate",), tally=tally)
    assert table["id"].to_pylist() == ["1", "3"]
    assert (tally.bad_row_count, tally.bad_cell_count) == (1, 0)
    assert tally.refused_money == {"amount EUR": Decimal("100.50")}


@happens(
    "a field that no record has any longer, or in another form",
    "an error of the stream that names it; what was stored stays",
)
@pytest.mark.parametrize("change", [{"createdate": None}, {"createdate": {"ms": 1}}, {"amount": "lots"}])
def test_a_field_that_all_records_lack_or_have_otherwise_is_drift(change: dict[str, Any]) -> None:
    with pytest.raises(DriftError, match=rf"hubspot/deals: field '{next(iter(change))}'"):
        to_table(DEALS, [deal(n, **change) for n in range(3)], required=("createdate",), tally=Tally())


def test_a_night_with_one_changed_deal_that_is_odd_is_no_failure() -> None:
    tally = Tally()
    assert to_table(DEALS, [deal(1, createdate="never")], required=("createdate",), tally=tally).num_rows == 0
    assert tally.bad_row_count == 1


@happens("half an emoji in a HubSpot text", "U+FFFD in its place")
def test_half_an_emoji_is_a_replacement_character(scripted: ScriptedServer) -> None:
    body = json.dumps({"total": 2, "results": [found("1", MOMENT), found("2", MOMENT)]})
    body = body.replace('"lead"', '"half \\ud83d of \\ud83d\\ude00"')
    searches = script_portal(scripted, [Reply(body)])
    rule = scripted._rule

    def also_in_the_batch(asked: Any) -> Reply | None:
        if asked.path.endswith("/batch/read"):
            return Reply({"results": json.loads(body)["results"]})
        return rule(asked)

    scripted.rule(also_in_the_batch)
    rows = read(scripted)
    assert len(searches) == 1
    assert [r["lifecyclestage"] for r in rows] == ["half \ufffd of 😀"] * 2


def test_bytes_that_are_no_text_spoil_their_value_only() -> None:
    assert parsed_json(b'{"a": "caf\xe9", "b": "\\uD83D\\uDE00", "c": "\\udc00"}') == {
        "a": "caf\ufffd",
        "b": "😀",
        "c": "\ufffd",
    }


def test_a_hubspot_history_that_cannot_be_read_costs_its_record(scripted: ScriptedServer) -> None:
    odd = found("2", MOMENT, propertiesWithHistory={"lifecyclestage": [{"value": "lead", "timestamp": "10000-01-01"}]})
    script_portal(scripted, [{"total": 2, "results": [found("1", MOMENT), odd]}])
    tally = Tally()
    assert [r["id"] for r in read(scripted, tally)] == ["1"]
    assert "record 2" in tally.bad_rows[0]


# ---- Google Ads --------------------------------------------------------------------------------------------


@happens(
    "one row of Google Ads with an unreadable figure, id or day",
    "left out, counted with its cost; the others are stored",
)
@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("metrics", "clicks", "many"),
        ("metrics", "clicks", "1" * 30),
        ("metrics", "conversions", "2"),
        ("metrics", "impressions", "1.5"),
        ("campaign", "id", None),
        ("segments", "date", "2026-13-41"),
        ("segments", "date", None),
    ],
)
def test_an_odd_row_of_google_ads_is_left_out(scripted: ScriptedServer, part: str, field: str, value: Any) -> None:
    rows = [row("2026-08-01"), row("2026-08-02", "2", costMicros="12500000"), row("2026-08-02", "3")]
    rows[1][part][field] = value
    if value is None:
        del rows[1][part][field]
    scripted.rule(google([batch(*rows)]))
    table, tally = read_ads(CAMPAIGNS, at(scripted), AUGUST)
    assert table["campaign_id"].to_pylist() == ["1", "3"]
    assert tally.bad_row_count == 1
    assert tally.bad_rows[0].startswith("google_ads/campaign_performance: account 1234567890")
    assert tally.refused_money == {"cost EUR": Decimal("12.5")}


def test_a_google_ads_batch_of_one_odd_row_ends_nothing(scripted: ScriptedServer) -> None:
    odd = row("2026-08-02", "2", clicks="many")
    scripted.rule(google([batch(row("2026-08-01")), batch(odd), batch(row("2026-08-03", "3"))]))
    table, tally = read_ads(CAMPAIGNS, at(scripted), AUGUST)
    assert (table["campaign_id"].to_pylist(), tally.bad_row_count) == (["1", "3"], 1)


@happens("half an emoji, or bytes that are no text, in a report of Google Ads or GA4", "another sign in their place")
@pytest.mark.parametrize("odd", [b"half \\ud83d", b"caf\xe9"])
def test_text_that_is_none_spoils_no_row(scripted: ScriptedServer, odd: bytes) -> None:
    body = json.dumps([batch(row("2026-08-01"))]).encode().replace(b"Brand", odd)
    scripted.rule(google(Reply(body)))
    table, tally = read_ads(CAMPAIGNS, at(scripted), AUGUST)
    assert table["campaign_name"].to_pylist() in (["half ?"], ["half \ufffd"], ["caf\ufffd"])
    assert tally.retries == 0


@pytest.mark.parametrize(("odd", "kept"), [(b"half \\ud83d", "half \ufffd"), (b"caf\xe9", "caf\ufffd")])
def test_text_that_is_none_spoils_no_report(scripted: ScriptedServer, odd: bytes, kept: str) -> None:
    scripted.reply(Reply(json.dumps(answer(ROW)).encode().replace(b"spring_sale", odd)), path=RUN_REPORT)
    window = Window(date(2026, 2, 3), date(2026, 2, 4))
    [page] = ga4.read("campaigns", ga4_settings(scripted), window, Tally())
    assert page.rows["sessionCampaignName"].to_pylist() == [kept]


# ---- GA4 ---------------------------------------------------------------------------------------------------


@happens("one row of a GA4 report with an unreadable figure or day", "left out, counted; the others are stored")
@pytest.mark.parametrize(("place", "value"), [(-1, "many"), (-1, ""), (-1, "NaN"), (-1, "9" * 30), (0, "20261341")])
def test_an_odd_row_of_ga4_is_left_out(scripted: ScriptedServer, place: int, value: str) -> None:
    odd = list(ROW)
    odd[4], odd[place] = "12", value
    scripted.reply(Reply(answer(ROW, odd)), path=RUN_REPORT)
    tally = Tally()
    window = Window(date(2026, 2, 3), date(2026, 2, 5))
    pages = list(ga4.read("campaigns", ga4_settings(scripted), window, tally))
    rows = pa.concat_tables([page.rows for page in pages])
    assert (rows["sessionCampaignId"].to_pylist(), rows["sessions"].to_pylist()) == (["11"], [41])
    assert tally.bad_row_count == 1
    assert tally.bad_rows[0].startswith("ga4/campaigns: property 1234")


def test_odd_rows_of_a_paged_report_do_not_make_it_incomplete(scripted: ScriptedServer) -> None:
    odd = [*ROW[:4], "12", "Paid Search", "many"]
    more = [*ROW[:4], "13", "Paid Search", "3"]
    scripted.reply(Reply(answer(ROW, odd, rowCount=3)), Reply(answer(more, rowCount=3)), path=RUN_REPORT)
    tally = Tally()
    window = Window(date(2026, 2, 3), date(2026, 2, 4))
    pages = list(ga4.read("campaigns", ga4_settings(scripted), window, tally, page_rows=2))
    rows = pa.concat_tables([page.rows for page in pages])
    assert (rows["sessions"].to_pylist(), tally.bad_row_count) == ([41, 3], 1)


def test_contacts_take_the_same_way() -> None:
    tally = Tally()
    rows = [{"id": str(n), "createdate": MOMENT, "lastmodifieddate": MOMENT, "account_id": "1"} for n in range(2)]
    rows[0]["hs_analytics_first_timestamp"] = "9" * 30
    assert to_table(CONTACTS, rows, required=("createdate",), tally=tally).num_rows == 2
    assert tally.bad_cell_count == 1


# ---- files -------------------------------------------------------------------------------------------------


@happens("a report of which rows are refused", "their days, and the money that they name, are told with their number")
def test_refused_rows_of_a_file_say_their_days_and_money(tmp_path: Path) -> None:
    mapping = FileMapping(
        name="ads", stream="ad_cost", path="*.csv", constants={"currency_code": "USD"},
        columns={"date": "Day", "cost": "Cost", "clicks": "Clicks", "campaign_name": "Campaign"},
    )  # fmt: skip
    lines = ["2026-09-01,10.00,1,a", "soon,20.50,2,b", "2026-09-03,?,3,c", "2026-09-04,5,many,d", "2026-09-05,,5,e"]
    (tmp_path / "ads.csv").write_text("\n".join(["Day,Cost,Clicks,Campaign", *lines]) + "\n")
    tally = Tally()
    settings = FilesSettings(mappings=(mapping,), base_folder=str(tmp_path), hash_key="k" * 32)
    pages = list(sweep("ad_cost", settings, tally))
    assert [r["cost"] for page in pages for r in page.rows.to_pylist()] == [Decimal("10.00"), Decimal("5")]
    assert (tally.bad_row_count, tally.bad_cell_count, tally.good_row_count) == (3, 1, 2)
    assert tally.refused_money == {"cost USD": Decimal("20.50")}
    assert {day: n for day, n in tally.refused_days.items() if n} == {None: 1, date(2026, 9, 3): 1, date(2026, 9, 5): 1}
    assert {day: n for day, n in tally.unread_cell_days.items() if n} == {date(2026, 9, 4): 1}


def test_rows_that_wait_in_vain_for_their_order_count_as_refused_alone(tmp_path: Path) -> None:
    """Line 3 is of order 1, whose first line has the date; lines 4 and 5 are of orders that no line dates."""
    mapping = FileMapping(
        name="shop", stream="orders", path="*.csv", constants={"currency_code": "EUR"},
        columns={"order_id": "Id", "ordered_at": "At", "amount": "A"},
    )  # fmt: skip
    (tmp_path / "o.csv").write_text("Id,At,A\n1,2026-09-01,10\n1,,\n2,,20\n3,,30\n")
    tally = Tally()
    settings = FilesSettings(mappings=(mapping,), base_folder=str(tmp_path), hash_key="k" * 32)
    assert sum(page.rows.num_rows for page in sweep("orders", settings, tally)) == 1
    assert (tally.good_row_count, tally.bad_row_count) == (2, 2)
    assert tally.refused_money == {"amount EUR": Decimal(50)}


def corrupt_parquet() -> bytes:
    """The first cell's length says more bytes than the page has."""
    sink = pa.BufferOutputStream()
    orders = pa.table({"Id": ["4711"], "At": ["2026-09-01"], "A": ["5"]})
    pq.write_table(orders, sink, compression="none", use_dictionary=False, write_statistics=False)
    content = sink.getvalue().to_pybytes()
    assert content.count(b"\4\0\0\x004711") == 1
    return content.replace(b"\4\0\0\x004711", b"\4\0\0\x7f4711")


@happens(
    "a file is cut short between two rows of its list, nests beyond reason, or has a page of other bytes",
    "named; nothing raw",
)
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.json", b'[{"Id":1,"At":"2026-09-01","A":5},\n', "cut.json, line 1: the list is not closed after this"),
        ("deep.json", b'[{"Id":1,"At":' + b"[" * 100_000 + b"]" * 100_000 + b"}]", "deep.json: none of its 1 rows"),
        ("deep.jsonl", b'{"Id":1,"At":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 1: JSON that is nested too deeply"),
        ("page.parquet", corrupt_parquet(), "page.parquet: it cannot be read to its end"),
    ],
)  # fmt: skip
def test_a_file_that_is_cut_deep_or_damaged_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    mapping = FileMapping(
        name="shop", stream="orders", path=name, constants={"currency_code": "EUR"},
        columns={"order_id": "Id", "ordered_at": "At", "amount": "A"},
    )  # fmt: skip
    (tmp_path / name).write_bytes(content)
    tally, told = Tally(), ""
    settings = FilesSettings(mappings=(mapping,), base_folder=str(tmp_path), hash_key="k" * 32)
    try:
        list(sweep("orders", settings, tally))
    except DriftError as error:
        told = str(error)
    assert said in "\n".join([told, *tally.bad_rows])
