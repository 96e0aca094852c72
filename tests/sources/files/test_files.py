"""Dropped files to rows: mapping, overlaps, JSON lines and Parquet, personal data, keep_where_in."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from dagster_project.raw.zone import RawZone
from dagster_project.sources.files import STREAMS
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.overlaps import codes_of, copy_numbers, last_of_each
from dagster_project.sources.files.streams import FILE_STREAMS
from dagster_project.wire import ConfigError, DriftError, Tally
from dagster_project.wire.identity import hash_email, hash_phone
from tests.support.dropped_files import LEADS, ORDERS, settings, swept

COSTS = {
    "name": "ads",
    "stream": "ad_cost",
    "path": "costs/*.csv",
    "columns": {"date": "day", "campaign_name": "campaign", "cost": "cost"},
    "constants": {"currency_code": "EUR", "platform": "vk"},
}


def write(folder: Path, **files: str) -> None:
    """`write(folder, costs__a_csv="…")` writes costs/a.csv."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_csv", ".csv").replace("_jsonl", ".jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


# ---- what the streams declare


def test_every_stream_can_be_stored(tmp_path: Path) -> None:
    zone = RawZone(tmp_path / "raw")
    for stream in STREAMS:
        written = zone.replace_all(
            stream,
            stream.sweep(settings(tmp_path), Tally()),
            extracted_at=datetime(2026, 1, 1, tzinfo=UTC),
            checked_on=date(2026, 1, 1),
        )
        assert written.rows == 0
    assert {stream.name for stream in STREAMS} == set(FILE_STREAMS)


def test_a_mapped_file_goes_through_the_raw_zone_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, orders_csv="id,day,total\n1,2026-01-05,10\n2,2026-01-06 10:00,20.5\n")
    zone, stream = RawZone(tmp_path / "raw"), next(s for s in STREAMS if s.name == "orders")

    def refresh() -> list[date]:
        pages = stream.sweep(settings(tmp_path, ORDERS), Tally())
        stamp = datetime(2026, 1, 7, tzinfo=UTC)
        return zone.replace_all(stream, pages, extracted_at=stamp, checked_on=date(2026, 1, 7)).changed_days

    assert refresh() == [date(2026, 1, 5), date(2026, 1, 6)]
    assert refresh() == []
    assert zone.read_day(stream, date(2026, 1, 6))["amount"].to_pylist() == [Decimal("20.5")]


# ---- mapping


def test_columns_constants_translations_and_joined_ids(tmp_path: Path) -> None:
    write(tmp_path, orders_csv="id;line;day;total;state\n7;1;05.01.2026;1.234,50;RET\n7;2;05.01.2026;-3;ok\n")
    mapping = {
        **ORDERS,
        "delimiter": ";",
        "decimal": ",",
        "date_format": "%d.%m.%Y",
        "columns": {"order_id": ["id", "line"], "ordered_at": "day", "amount": "total", "is_refund": "state"},
        "values": {"is_refund": {"RET": True, "ok": "no"}},
    }
    table, tally = swept(tmp_path, mapping, time_zone="Europe/Berlin")
    assert table.select(
        ["account_id", "order_id", "ordered_at", "amount", "currency_code", "is_refund"]
    ).to_pylist() == [
        {
            "account_id": "shop",
            "order_id": order_id,
            "ordered_at": datetime(2026, 1, 4, 23, tzinfo=UTC),
            "amount": amount,
            "currency_code": "EUR",
            "is_refund": is_refund,
        }
        for order_id, amount, is_refund in [("7-1", Decimal("1234.5"), True), ("7-2", Decimal(-3), False)]
    ]
    assert tally.bad_rows == []
    assert table["_extra"].null_count == 2


def test_the_time_zone_of_a_mapping_stands_above_the_reporting_zone(tmp_path: Path) -> None:
    write(tmp_path, leads_csv="id,created\na,2026-01-01 00:30\n")
    table, _ = swept(tmp_path, {**LEADS, "time_zone": "Europe/Moscow"}, time_zone="America/New_York")
    assert table["created_at"].to_pylist() == [datetime(2025, 12, 31, 21, 30, tzinfo=UTC)]


def test_choices_are_checked_after_translation(tmp_path: Path) -> None:
    write(
        tmp_path,
        deals_csv="id,state,closed\n1,Closed Won,2026-01-01\n2,LOST,2026-01-02\n3,stuck,2026-01-03\n4,,2026-01-03\n",
    )
    mapping = {
        "name": "crm",
        "stream": "deals",
        "path": "deals.csv",
        "columns": {"deal_id": "id", "status": "state", "closed_at": "closed"},
        "values": {"status": {"Closed Won": "won"}},
    }
    table, tally = swept(tmp_path, mapping)
    assert table["status"].to_pylist() == ["won", "lost"]
    assert table["filed_at"].equals(table["closed_at"])
    assert tally.bad_rows == [
        "crm: deals.csv, line 4: status (state) 'stuck' is none of open, won, lost; translate it under values.status",
        "crm: deals.csv, line 5: status (state) is empty",
    ]


def test_the_first_column_that_says_something_is_taken(tmp_path: Path) -> None:
    write(
        tmp_path,
        leads_csv="id,created,tag,engine,kind\na,2026-01-01,,ya,ad\nb,2026-01-01,x,ya,\nc,2026-01-01, ,,direct\nd,2026-01-01,none,,\n",
    )
    mapping = {
        **LEADS,
        "columns": {**LEADS["columns"], "source": "tag", "medium": "kind", "content": "tag"},
        "otherwise": {"source": ["engine", "kind"], "medium": "engine", "content": "engine"},
        "values": {"source": {"ya": "yandex", "direct": "", "none": None}, "content": {"": "nothing"}},
    }
    table, tally = swept(tmp_path, mapping)
    assert table["source"].to_pylist() == ["yandex", "x", None, None]
    assert table["medium"].to_pylist() == ["ad", "ya", "direct", None]
    assert table["content"].to_pylist() == ["ya", "x", "nothing", "none"]
    assert tally.bad_rows == []


def test_lists_are_counted(tmp_path: Path) -> None:
    visits = {
        "name": "web",
        "stream": "sessions",
        "columns": {"session_id": "id", "started_at": "at", "key_events": "goals"},
        "counts": "key_events",
    }
    lines = ["[]", "[1]", "[1,2, 3]", r"['a\'b, c','d']", "", "7", "[1,2", "[[1],[2]]"]
    rows = [f"{n}\t2026-01-01\t{goals}" for n, goals in enumerate(lines)]
    (tmp_path / "visits.tsv").write_text("\n".join(["id\tat\tgoals", *rows]))
    table, tally = swept(tmp_path, {**visits, "path": "visits.tsv", "escapes": "backslash"})
    assert table["key_events"].to_pylist() == [0, 1, 3, 2, None, None, None, None]
    assert tally.bad_row_count == 0
    assert [text.split(": ", 1)[1] for text in tally.bad_cells] == [
        f"visits.tsv, line {line}: key_events (goals) {goals!r} is not a list such as [12,34]; counts takes lists only"
        for line, goals in ((7, "7"), (8, "[1,2"), (9, "[[1],[2]]"))
    ]
    typed = pa.table(
        {"id": ["a", "b"], "at": ["2026-01-01"] * 2, "goals": pa.array([[1, 2], []], pa.list_(pa.int32()))}
    )
    pq.write_table(typed, tmp_path / "visits.parquet")
    table, _ = swept(tmp_path, {**visits, "path": "visits.parquet"})
    assert table["key_events"].to_pylist() == [2, 0]


def test_a_constant_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    write(tmp_path, orders_csv="id,day\n1,2026-01-05\n")
    mapping = {
        **ORDERS,
        "columns": {"order_id": "id", "ordered_at": "day"},
        "constants": {"is_refund": "perhaps"},
    }
    with pytest.raises(ConfigError, match=r"'shop': constants.is_refund 'perhaps' is neither true nor false"):
        swept(tmp_path, mapping)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"columns": {"lead_id": "id", "creted_at": "c"}},
            r"columns.creted_at: no such column \(did you mean 'created_at'",
        ),
        ({"columns": {"lead_id": "id"}}, "created_at must be filled"),
        (
            {"columns": {"lead_id": "id", "created_at": "c", "email_hash": "e"}},
            r"columns.email_hash.*did you mean 'email'",
        ),
        ({"constants": {"lead_id": "1"}}, "lead_id is both in columns and in constants"),
        ({"values": {"channel": {"a": "b"}}}, "values.channel translates a column that is not in columns"),
        (
            {"otherwise": {"source": "engine"}},
            "otherwise.source stands in for a column that is not in columns",
        ),
        ({"otherwise": {"sorce": "engine"}}, r"otherwise.sorce: no such column \(did you mean 'source'"),
        ({"counts": "stage"}, "counts: stage is no whole number; allowed are none"),
        ({"escapes": "backslash", "path": "leads.jsonl"}, "escapes are of text with columns; jsonl has its own"),
        ({"escapes": "slash"}, "'quotes' or 'backslash'"),
        ({"path": "leads.dat"}, "does not end in a known format; set format to csv, jsonl, parquet or xlsx"),
        ({"time_zone": "Berlin"}, "not a time zone name"),
        ({"encoding": "latin-99"}, "not an encoding"),
        ({"decimal": ",", "thousands": ","}, "decimal and thousands are both ','"),
        ({"date_format": "%d.%m"}, "needs day, month and year"),
        (
            {"keep_where_in": {"lead_id": "leeds"}},
            r"keep_where_in.lead_id = 'leeds': allowed are deals, orders",
        ),
        ({"key_events": ["x"]}, "key_events is for the stream ga4_export only"),
        ({"colums": {}}, "Extra inputs are not permitted"),
        ({"stream": "lead"}, "leads"),
        ({"name": "with space"}, "pattern"),
    ],
)
def test_wrong_mappings_are_answered_with_the_key(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileMapping.model_validate({**LEADS, **change})


def test_counts_need_one_plain_column() -> None:
    mapping = {
        "name": "web",
        "stream": "sessions",
        "path": "visits.tsv",
        "columns": {"session_id": "id", "started_at": "at", "key_events": "goals"},
        "counts": "key_events",
    }
    assert FileMapping.model_validate(mapping).counts == ("key_events",)
    for change in (
        {"otherwise": {"key_events": "x"}},
        {"values": {"key_events": {"a": "1"}}},
        {"counts": ["page_views"]},
    ):
        with pytest.raises(ValidationError, match="needs one column of the file, without values or otherwise"):
            FileMapping.model_validate({**mapping, **change})


def test_money_needs_a_currency_and_deals_a_date() -> None:
    with pytest.raises(ValidationError, match="amount has no currency; give currency_code"):
        FileMapping.model_validate({**ORDERS, "constants": {}})
    deals = {"name": "crm", "stream": "deals", "path": "d.csv", "columns": {"deal_id": "id", "status": "s"}}
    with pytest.raises(ValidationError, match="created_at or closed_at must be filled"):
        FileMapping.model_validate(deals)


def test_variables_of_a_path() -> None:
    mapping = FileMapping.model_validate({**LEADS, "path": "${DROPS}/${KIND}/*.csv"})
    assert mapping.with_variables({"DROPS": "s3://bucket", "OTHER": "x"}).path == "s3://bucket/${KIND}/*.csv"


# ---- overlaps


def test_the_later_file_wins_numbers_counted_as_numbers(tmp_path: Path) -> None:
    write(
        tmp_path,
        drops__leads_9_csv="id,created,source\na,2026-01-01,old\nb,2026-01-01,old\n",
        drops__leads_10_csv="id,created,source\nb,2026-01-02,new\nc,2026-01-02,first\nc,2026-01-02,last\n",
    )
    mapping = {**LEADS, "path": "drops/leads_*.csv", "columns": {**LEADS["columns"], "source": "source"}}
    table, tally = swept(tmp_path, mapping)
    assert table.select(["lead_id", "source", "_file", "_line"]).to_pylist() == [
        {"lead_id": "a", "source": "old", "_file": "leads_9.csv", "_line": 2},
        {"lead_id": "b", "source": "new", "_file": "leads_10.csv", "_line": 2},
        {"lead_id": "c", "source": "last", "_file": "leads_10.csv", "_line": 4},
    ]
    assert tally.notes == [
        "1 rows were merged with the last row of their id in the same file",
        "1 rows were replaced by later rows of the same key",
    ]


def test_the_latest_update_stands_above_the_order_of_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_csv="id,created,changed\n1,2026-01-01,2026-03-01\n2,2026-01-01,\n3,2026-01-01,2026-02-01\n",
        b_csv="id,created,changed\n1,2026-01-01,2026-02-01\n2,2026-01-01,2026-02-01\n3,2026-01-01,2026-02-01\n",
    )
    table, _ = swept(tmp_path, {**LEADS, "path": "?.csv", "columns": {**LEADS["columns"], "updated_at": "changed"}})
    assert dict(zip(table["lead_id"].to_pylist(), table["_file"].to_pylist(), strict=True)) == {
        "1": "a.csv",
        "2": "b.csv",
        "3": "b.csv",
    }


def test_equal_rows_of_one_file_stay_and_a_later_file_replaces_all_of_them(tmp_path: Path) -> None:
    write(
        tmp_path,
        costs__jan_csv="day,campaign,cost\n2026-01-01,x,5\n2026-01-01,x,5\n2026-01-02,x,1\n2026-01-02,y,2\n",
        costs__jan_again_csv="day,campaign,cost\n2026-01-02,x,3\n2026-01-02,x,4\n",
    )
    table, _ = swept(tmp_path, COSTS)
    assert table.select(["date", "campaign_name", "cost", "_copy"]).to_pylist() == [
        {"date": date(2026, 1, 1), "campaign_name": "x", "cost": Decimal(5), "_copy": 1},
        {"date": date(2026, 1, 1), "campaign_name": "x", "cost": Decimal(5), "_copy": 2},
        {"date": date(2026, 1, 2), "campaign_name": "y", "cost": Decimal(2), "_copy": 1},
        {"date": date(2026, 1, 2), "campaign_name": "x", "cost": Decimal(3), "_copy": 1},
        {"date": date(2026, 1, 2), "campaign_name": "x", "cost": Decimal(4), "_copy": 2},
    ]


def test_replace_by_lets_vanished_rows_vanish(tmp_path: Path) -> None:
    write(
        tmp_path,
        costs__1_csv="day,campaign,cost\n2026-01-01,x,5\n2026-01-02,x,1\n2026-01-02,y,2\n",
        costs__2_csv="day,campaign,cost\n2026-01-02,x,3\n",
    )
    table, _ = swept(tmp_path, {**COSTS, "replace_by": "day"})
    assert table["cost"].to_pylist() == [Decimal(5), Decimal(3)]


def test_a_file_delivered_twice_under_two_names_counts_once(tmp_path: Path) -> None:
    ledger = {
        "name": "ledger",
        "stream": "other_costs",
        "path": "*.csv",
        "columns": {"start_date": "from", "end_date": "to", "amount": "sum"},
        "constants": {"cost_type": "labour", "currency_code": "EUR"},
    }
    content = "from,to,sum\n2026-01-01,2026-01-31,100\n2026-01-01,2026-01-31,100\n"
    write(tmp_path, costs_csv=content)
    (tmp_path / "costs (1).csv").write_text(content)
    (tmp_path / "extra.csv").write_text("from,to,sum\n2026-01-01,2026-01-31,100\n2026-01-01,2026-01-31,999\n")
    table, tally = swept(tmp_path, ledger)
    assert sorted(table["amount"].to_pylist()) == [100, 999]  # the later file says what that month cost
    assert tally.notes == [
        "ledger: costs (1).csv was left out: costs.csv has the same content",
        "2 rows were replaced by later rows of the same key",
    ]


def test_hidden_and_unfinished_files_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, drops__good_csv="id,created\na,2026-01-01\n")
    for name in (".leads.csv", "~leads.csv", "leads.csv.part", "leads.csv.tmp"):
        (tmp_path / "drops" / name).write_text("id,created\nb,2026-01-01\n")
    table, _ = swept(tmp_path, {**LEADS, "path": "drops/*", "format": "csv"})
    assert table["lead_id"].to_pylist() == ["a"]


def test_a_key_that_lets_rows_share_an_id_is_refused(tmp_path: Path) -> None:
    write(tmp_path, orders_csv="id,line,day,total\n7,1,2026-01-01,1\n7,2,2026-01-01,2\n8,1,2026-01-01,1\n")
    with pytest.raises(
        ConfigError, match=r"1 rows share order_id with another row, for example '7'.*order_id: \[id, line\]"
    ):
        swept(tmp_path, {**ORDERS, "key": ["id", "line"]})
    table, _ = swept(tmp_path, ORDERS)
    assert sorted(zip(table["order_id"].to_pylist(), table["amount"].to_pylist(), strict=True)) == [("7", 2), ("8", 1)]


def test_which_row_is_last_of_its_key() -> None:
    keys = pa.array(["a", "b", None, "a", None, "b", "c"])
    assert last_of_each(codes_of(keys), np.arange(7), np.ones(7, dtype=bool)).tolist() == [
        False,
        False,
        True,
        True,
        True,
        True,
        True,
    ]
    assert copy_numbers(keys).tolist() == [1, 1, 1, 2, 2, 2, 1]


def test_two_shapes_of_one_source_are_deduplicated_together(tmp_path: Path) -> None:
    write(
        tmp_path,
        old_csv="Nr,Datum\n1,2025-01-01\n2,2025-01-01\n",
        new_csv="id,created\n2,2026-01-01\n3,2026-01-01\n",
    )
    old = {**LEADS, "path": "old.csv", "columns": {"lead_id": "Nr", "created_at": "Datum"}}
    table, _ = swept(tmp_path, old, {**LEADS, "path": "new.csv"})
    assert [(row["lead_id"], row["_file"]) for row in table.to_pylist()] == [
        ("1", "old.csv"),
        ("2", "new.csv"),
        ("3", "new.csv"),
    ]
    apart, _ = swept(tmp_path, {**old, "name": "other"}, {**LEADS, "path": "new.csv"})
    assert apart.num_rows == 4


# ---- JSON lines and Parquet


def test_json_lines(tmp_path: Path) -> None:
    biggest = 2**64 - 1
    lines = [
        json.dumps(
            {
                "id": biggest,
                "created": "2026-01-01T10:00:00+03:00",
                "who": {"mail": "a@b.co"},
                "utm": "undefined",
            }
        ),
        '{"id": "2", "created": 1767225600, "utm": NaN}',
        "",
        '{"id": 99999999999999999999999, "created": "2026-01-01"}',
        '{"id": "4", "created": "2026-01-01"',
        '["not", "an", "object"]',
        '{"id": null, "created": "2026-01-01"}',
        '{"id": 17850.0, "created": "2026-01-01", "utm": {"source": "x"}}',
    ]
    (tmp_path / "leads.jsonl").write_text("\ufeff" + "\n".join(lines))
    columns = {**LEADS["columns"], "email": "who.mail", "source": "utm", "gclid": "click"}
    table, tally = swept(tmp_path, {**LEADS, "path": "leads.jsonl", "columns": columns})
    assert table.select(["lead_id", "_line", "source"]).to_pylist() == [
        {"lead_id": str(biggest), "_line": 1, "source": "undefined"},
        {"lead_id": "2", "_line": 2, "source": None},
        {"lead_id": "99999999999999999999999", "_line": 4, "source": None},
        {"lead_id": "17850", "_line": 8, "source": '{"source":"x"}'},
    ]
    assert table["created_at"][0].as_py() == datetime(2026, 1, 1, 7, tzinfo=UTC)
    assert table["created_at"][1].as_py() == datetime(2026, 1, 1, tzinfo=UTC)
    assert table["email_hash"].to_pylist()[0] == hash_email("a@b.co", b"a key that is long enough")
    assert [report.split("leads.jsonl, ")[1].split(" (")[0] for report in tally.bad_rows] == [
        "line 5: not JSON",
        "line 6: not a JSON object",
        "line 7: lead_id",
    ]


def test_json_lines_may_leave_out_what_is_empty_but_not_what_is_required(tmp_path: Path) -> None:
    write(tmp_path, leads_jsonl='{"id": 1, "created": "2026-01-01"}\n')
    mapping = {**LEADS, "path": "leads.jsonl"}
    assert swept(tmp_path, {**mapping, "columns": {**LEADS["columns"], "source": "utm"}})[0].num_rows == 1
    with pytest.raises(DriftError, match=r"leads.jsonl: no line has 'nr'"):
        swept(tmp_path, {**mapping, "columns": {"lead_id": "nr", "created_at": "created"}})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_read_element_by_element(tmp_path: Path, indent: int | None, encoding: str) -> None:
    records = [
        {"id": 2**64 + 1, "created": "2026-01-01", "at": {"form": "dé"}},
        {"id": 101.0, "created": 1767225600, "at": {"form": True}},
        "no record",
        {"id": "c", "created": "2026-01-03"},
        {"id": None, "created": "2026-01-03"},
    ]
    (tmp_path / "leads.json").write_text(json.dumps(records, indent=indent), encoding=encoding)
    lines = (2, 9, 16, 17, 21) if indent else (1, 1, 1, 1, 1)
    mapping = {**LEADS, "path": "leads.json", "columns": {**LEADS["columns"], "form": "at.form"}}
    table, tally = swept(tmp_path, mapping)
    assert table.select(["lead_id", "form", "_line"]).to_pylist() == [
        {"lead_id": str(2**64 + 1), "form": "dé", "_line": lines[0]},
        {"lead_id": "101", "form": "true", "_line": lines[1]},
        {"lead_id": "c", "form": None, "_line": lines[3]},
    ]
    assert [each.split(", ")[1] for each in tally.bad_rows] == [
        f"line {lines[2]}: not a JSON object", f"line {lines[4]}: lead_id (id) is empty",
    ]  # fmt: skip
    text = json.dumps(records[:2], indent=indent)
    (tmp_path / "leads.json").write_text(text[:-5], encoding=encoding)
    table, tally = swept(tmp_path, mapping)
    assert table.num_rows == 1
    assert f"line {lines[1]}: not JSON from here" in tally.bad_rows[0]


def test_half_a_character_costs_itself_only(tmp_path: Path) -> None:
    for name, text in {
        "leads.jsonl": '{"id":"1","created":"2026-09-01","src":"Promo \\ud83d"}\n{"id":"2","created":"2026-09-02","src":"\\ud83d\\ude00"}\n',
        "leads.json": '[{"id":"1","created":"2026-09-01","src":"Promo \\ud83d"}, {"id":"2","created":"2026-09-02","src":"\\ud83d\\ude00"}]',
    }.items():
        (tmp_path / name).write_text(text)
        table, tally = swept(tmp_path, {**LEADS, "path": name, "columns": {**LEADS["columns"], "source": "src"}})
        assert table["source"].to_pylist() == ["Promo \ufffd", "\U0001f600"], name
        assert tally.bad_rows == []


def test_parquet_of_other_writers(tmp_path: Path) -> None:
    """ClickHouse: days as UInt16, texts as bytes. Text that is not UTF-8 is marked, or read by `encoding`; as an id
    it is none, since it could be anybody's."""
    cyrillic = "Яндекс".encode("cp1251")
    pq.write_table(
        pa.table(
            {
                "id": pa.array([b"1", b"2", cyrillic, b"4"], pa.binary()),
                "day": pa.array([20697, 20698, 0, 65535], pa.uint16()),
                "src": pa.array([cyrillic, b"ok", None, "ü".encode()], pa.binary()),
            }
        ),
        tmp_path / "leads.parquet",
    )
    mapping = {**LEADS, "path": "leads.parquet", "columns": {"lead_id": "id", "created_at": "day", "source": "src"}}
    table, tally = swept(tmp_path, mapping)
    assert table["lead_id"].to_pylist() == ["1", "2", "4"]
    assert table["created_at"].cast(pa.date32()).to_pylist() == [date(2026, 9, 1), date(2026, 9, 2), date(2149, 6, 6)]
    assert table["created_at_is_day"].to_pylist() == [True, True, True]
    assert table["source"].to_pylist() == ["\ufffd" * 6, "ok", "ü"]
    assert [each.partition(": leads.parquet, ")[2] for each in tally.bad_rows] == [
        "line 3: lead_id (id): its bytes are no UTF-8 text; set encoding (cp1251, cp1252 …) if the file is in another one"
    ]
    table, tally = swept(tmp_path, {**mapping, "encoding": "cp1251"})
    assert table["lead_id"].to_pylist() == ["1", "2", "Яндекс", "4"]
    assert table["source"].to_pylist()[0] == "Яндекс"
    # text by its type, and still none
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([cyrillic], pa.binary()).buffers())
    pq.write_table(pa.table({"id": ["1"], "day": ["2026-09-01"], "src": broken}), tmp_path / "leads.parquet")
    assert swept(tmp_path, mapping)[0]["source"].to_pylist() == ["\ufffd" * 6]


def test_parquet(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([2**64 - 1, 5, None], pa.uint64()),
            "created": pa.array([datetime(2026, 1, 1), None, datetime(2026, 1, 3)], pa.timestamp("ns")),
            "owner": pa.array([{"id": 17850.0}, None, None], pa.struct([("id", pa.float64())])),
            "kind": pa.array(["web", "web", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "leads.parquet")
    mapping = {
        **LEADS,
        "path": "leads.parquet",
        "columns": {**LEADS["columns"], "owner_id": "owner.id", "source": "kind"},
        "time_zone": "Europe/Moscow",
    }
    rows, tally = swept(tmp_path, mapping)
    assert rows.select(["lead_id", "created_at", "owner_id", "source"]).to_pylist() == [
        {
            "lead_id": "18446744073709551615",
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),  # midnights only: days, and a day has no zone
            "owner_id": "17850",
            "source": "web",
        }
    ]
    assert sorted(report.split("parquet, ")[1] for report in tally.bad_rows) == [
        "line 2: created_at (created) is empty",
        "line 3: lead_id (id) is empty",
    ]


def test_broken_parquet_and_missing_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"Id": ["1"], "created": ["2026-01-01"]}), tmp_path / "leads.parquet")
    mapping = {**LEADS, "path": "leads.parquet"}
    with pytest.raises(DriftError, match=r"there is no column 'id' \(did you mean 'Id'\?\)"):
        swept(tmp_path, mapping)
    content = (tmp_path / "leads.parquet").read_bytes()
    (tmp_path / "leads.parquet").write_bytes(content[:-20])
    with pytest.raises(DriftError, match=r"leads.parquet: not a whole Parquet file"):
        swept(tmp_path, mapping)


# ---- ids and personal data


def test_ids_that_a_spreadsheet_destroyed(tmp_path: Path) -> None:
    write(
        tmp_path,
        leads_csv="id,created,client\n1.23457E+18,2026-01-01,a\n2,2026-01-01,1.23457E+18\n3,2026-01-01,1.23457E+18\n",
    )
    table, tally = swept(tmp_path, {**LEADS, "columns": {**LEADS["columns"], "ga_client_id": "client"}})
    assert table.select(["lead_id", "ga_client_id"]).to_pylist() == [
        {"lead_id": "2", "ga_client_id": None},
        {"lead_id": "3", "ga_client_id": None},
    ]
    assert tally.bad_rows == [
        "crm: leads.csv, line 2: lead_id (id): a spreadsheet made it a number (1.2E+18) and its digits are lost"
    ]
    assert tally.bad_cells == [
        f"crm: leads.csv, line {line}: ga_client_id (client): a spreadsheet made it a number (1.2E+18) and its digits are lost"
        for line in (3, 4)
    ]
    assert tally.bad_cell_count == 2


def test_an_unreadable_optional_cell_costs_the_cell_and_is_counted(tmp_path: Path) -> None:
    write(
        tmp_path,
        orders_csv="id,day,total,back,tel\n1,2026-01-05,1.234.567,no,\n2,2026-01-05, (Not Set) ,perhaps,\n3,never,5,no,\n4,2026-01-06,--,n/a,\n",
        leads_csv="id,created,tel\n1,2026-01-01,4.47900E+11\n2,2026-01-01,4.47900E+11\n3,2026-01-01,447900123456.0\n",
    )
    orders = {**ORDERS, "columns": {**ORDERS["columns"], "is_refund": "back"}}
    table, tally = swept(tmp_path, orders)
    assert table.select(["order_id", "amount", "is_refund"]).to_pylist() == [
        {"order_id": "1", "amount": None, "is_refund": False},
        {"order_id": "2", "amount": None, "is_refund": None},
        {"order_id": "4", "amount": None, "is_refund": None},
    ]
    assert sorted(each.partition("line ")[2][:1] for each in tally.bad_cells) == ["2", "3"]
    assert tally.bad_row_count == 1
    with pytest.raises(DriftError, match="the mapping is strict"):
        swept(tmp_path, {**orders, "strict": True})
    people, tally = swept(tmp_path, {**LEADS, "columns": {**LEADS["columns"], "phone": "tel"}})
    assert people["phone_hash"].to_pylist() == [None, None, hash_phone("447900123456", b"a key that is long enough")]
    assert tally.bad_cell_count == 2
    assert "its digits are lost" in tally.bad_cells[0]


def test_one_id_is_one_id_however_pandas_wrote_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        leads_a_csv="id,created\n101,2026-01-01\n102,2026-01-01\n",
        leads_b_csv="id,created\n101.0,2026-01-02\n\u200b102,2026-01-02\n1.50,2026-01-02\n",
    )
    table, _ = swept(tmp_path, {**LEADS, "path": "leads_*.csv"})
    assert sorted(table["lead_id"].to_pylist()) == ["1.50", "101", "102"]
    keyed, _ = swept(tmp_path, {**LEADS, "path": "leads_*.csv", "key": "id"})
    assert sorted(keyed["lead_id"].to_pylist()) == ["1.50", "101", "102"]


def test_control_characters_do_not_reach_the_store(tmp_path: Path) -> None:
    write(tmp_path, leads_csv='id,created,form\n1,2026-01-01,"De\x00mo\x1b\tform\nnew\x85"\n')
    table, _ = swept(tmp_path, {**LEADS, "columns": {**LEADS["columns"], "form": "form"}})
    assert table["form"].to_pylist() == ["Demo\tform\nnew"]


def test_no_plain_personal_data_comes_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        orders_csv=(
            "id,day,total,mail,seller,item\n"
            "o-1,2026-01-01,1, Joe@Example.com ,sales@shop.example,for joe@example.com\n"
            "joe@example.com,2026-01-02,1,not an address,,\n"
            "o-3,joe@example.com,1,,,\n"
        ),
        leads_csv=(
            "id,created,tel,page\n"
            "1,2026-01-01,+49 (170) 1234567,https://u:p@x.example/a?email=joe@example.com&utm_source=z\n"
        ),
    )
    orders = {
        **ORDERS,
        "columns": {
            **ORDERS["columns"],
            "email": "mail",
            "customer_id": "mail",
            "owner_id": "seller",
            "product": "item",
        },
    }
    leads = {**LEADS, "columns": {**LEADS["columns"], "phone": "tel", "landing_page": "page"}}
    key = b"a key that is long enough"
    joe = hash_email("joe@example.com", key)
    table, tally = swept(tmp_path, orders)
    assert table.select(["order_id", "email_hash", "customer_id", "owner_id", "product"]).to_pylist() == [
        {
            "order_id": "o-1",
            "email_hash": joe,
            "customer_id": joe,
            "owner_id": hash_email("sales@shop.example", key),
            "product": "for (redacted)",
        },
        {
            "order_id": joe,
            "email_hash": None,
            "customer_id": "not an address",
            "owner_id": None,
            "product": None,
        },
    ]
    lead, _ = swept(tmp_path, leads)
    assert lead["phone_hash"].to_pylist() == [hash_phone("+491701234567", key)]
    assert lead["landing_page"].to_pylist() == ["https://x.example/a?email=(redacted)&utm_source=z"]
    told = " ".join([*tally.bad_rows, *tally.notes, str(table.to_pylist()), str(lead.to_pylist())]).lower()
    assert "joe" not in told
    assert "1234567" not in told


# ---- rows of others


def test_keep_where_in_keeps_the_rows_that_another_stream_knows(tmp_path: Path) -> None:
    write(
        tmp_path,
        orders_csv="id,day,total,buyer\n1,2026-01-01,1,A\n2,2026-01-01,1,B\n3,2026-01-01,1,\n4,2026-01-01,1,C\n",
        deals_csv="id,state,closed,buyer\n1,won,2026-01-01,A\n2,won,2026-01-01,C\nbad,lost,never,B\n",
    )
    orders = {
        **ORDERS,
        "columns": {**ORDERS["columns"], "customer_id": "buyer"},
        "keep_where_in": {"customer_id": "deals"},
    }
    deals = {
        "name": "crm",
        "stream": "deals",
        "path": "deals.csv",
        "columns": {"deal_id": "id", "status": "state", "closed_at": "closed", "customer_id": "buyer"},
    }
    table, tally = swept(tmp_path, orders, deals)
    assert table["order_id"].to_pylist() == ["1", "4"]
    assert tally.notes == ["shop: 2 rows are not ours: their customer_id is not in deals"]
    assert tally.bad_rows == []  # the bad deal is told where deals are read
    assert swept(tmp_path, orders, stream="orders")[0].num_rows == 0
    circle = {**deals, "keep_where_in": {"customer_id": "orders"}}
    with pytest.raises(ConfigError, match="keep_where_in goes in a circle: orders -> deals -> orders"):
        swept(tmp_path, orders, circle)


def test_a_url_of_another_file_system(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for number, content in {
        1: "id,created\na,2026-01-01\n",
        2: "id,created\na,2026-01-02\nb,2026-01-02\n",
    }.items():
        memory.pipe_file(f"/files-test/drops/leads_{number}.csv", content.encode())
    table, tally = swept(tmp_path, {**LEADS, "path": "memory://files-test/drops/leads_*.csv"})
    assert [(row["lead_id"], row["_file"]) for row in table.to_pylist()] == [
        ("a", "leads_2.csv"),
        ("b", "leads_2.csv"),
    ]
    assert tally.bytes_received == 24 + 37


def test_clicks_in_emails_need_an_address_and_keep_none(tmp_path: Path) -> None:
    mapping = {
        "name": "mailer", "stream": "email_clicks", "path": "clicks.csv",
        "columns": {"email": "To", "clicked_at": "When", "url": "Link", "campaign": "Mail"},
    }  # fmt: skip
    write(
        tmp_path,
        clicks_csv="To,When,Link,Mail\nAnn@x.org,2026-03-01 10:00,https://s.example/?utm_source=n&email=ann@x.org,News\n"
        "nobody,2026-03-01 10:00,,News\n",
    )
    rows, tally = swept(tmp_path, mapping)
    (row,) = rows.to_pylist()
    assert (row["email_hash"], row["campaign"], row["_copy"]) == (
        hash_email("ann@x.org", b"a key that is long enough"),
        "News",
        1,
    )
    assert row["url"] == "https://s.example/?utm_source=n&email=(redacted)"
    assert row["clicked_at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert tally.bad_row_count == 1
    without = {**mapping, "columns": {"clicked_at": "When"}}
    with pytest.raises(ValidationError, match="email must be filled"):
        FileMapping.model_validate(without)


def test_an_answer_in_a_file_keeps_no_address(tmp_path: Path) -> None:
    write(tmp_path, leads_csv="id,created,heard\n1,2026-03-01,Ann ann@x.org 0171 1234567\n2,2026-03-01,Messe 2026\n")
    rows, _ = swept(tmp_path, {**LEADS, "columns": {**LEADS["columns"], "self_reported_source": "heard"}})
    answers = rows["self_reported_source"].to_pylist()
    assert answers[1] == "Messe 2026"
    assert "ann@x.org" not in answers[0]
    assert "1234567" not in answers[0].replace(" ", "")
