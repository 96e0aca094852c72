"""Rows that share an id: line items, part refunds, renamed campaigns, corrected ledgers, rows of totals."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rounds
from hypothesis import strategies as st

from tests.support.dropped_files import LEADS, ORDERS, swept

COSTS: dict[str, Any] = {
    "name": "ads", "stream": "ad_cost", "path": "cost_*.csv",
    "columns": {"date": "Day", "campaign_id": "ID", "campaign_name": "Campaign", "cost": "Cost"},
    "constants": {"platform": "vk", "currency_code": "EUR"},
}  # fmt: skip
LEDGER: dict[str, Any] = {
    "name": "ledger", "stream": "other_costs", "path": "costs_*.csv",
    "columns": {"start_date": "from", "end_date": "to", "amount": "sum", "cost_type": "type", "channel": "channel"},
    "constants": {"currency_code": "EUR"},
}  # fmt: skip


def put(folder: Path, **files: str) -> None:
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)


def amounts(table: pa.Table, name: str, value: str = "amount") -> dict[str, Decimal | None]:
    rows = list(zip(table[name].to_pylist(), table[value].to_pylist(), strict=True))
    assert len({key for key, _ in rows}) == len(rows)
    return dict(rows)


# ---- line items


def test_an_order_of_several_lines_keeps_what_its_first_line_says(tmp_path: Path) -> None:
    put(
        tmp_path,
        orders="id,day,total,buyer,item\n"
        "7,2026-09-01,59.50,c1,Mug\n"
        "7,2026-09-01,,,Cap\n"
        "7,,,,\n"
        "8,2026-09-02,11.90,c2,Pin\n",
    )
    columns = {**ORDERS["columns"], "customer_id": "buyer", "product": "item"}
    table, tally = swept(tmp_path, {**ORDERS, "columns": columns})
    rows = {row["order_id"]: row for row in table.to_pylist()}
    assert {i: (r["amount"], r["customer_id"], r["product"]) for i, r in rows.items()} == {
        "7": (Decimal("59.5"), "c1", "Cap"),
        "8": (Decimal("11.9"), "c2", "Pin"),
    }
    assert rows["7"]["ordered_at"].date().isoformat() == "2026-09-01"
    assert rows["7"]["ordered_at_is_day"] is True  # of the line that gave the moment
    assert tally.bad_rows == []
    assert tally.notes == ["2 rows were merged with the last row of their id in the same file"]


def test_a_line_that_lacks_what_no_other_line_has_is_a_bad_row(tmp_path: Path) -> None:
    put(tmp_path, orders="id,day,total\n7,,5\n8,2026-09-01,6\n8,,7\n")
    table, tally = swept(tmp_path, ORDERS)
    assert amounts(table, "order_id") == {"8": Decimal(7)}
    assert tally.bad_rows == ["shop: orders.csv, line 2: ordered_at (day) is empty"]


def test_two_amounts_under_one_id_are_said_and_the_last_stands(tmp_path: Path) -> None:
    put(tmp_path, orders="id,day,total\n1,2026-09-01,80.00\n1,2026-09-01,20\n2,2026-09-01,5\n2,2026-09-01,5\n")
    table, tally = swept(tmp_path, ORDERS)
    assert amounts(table, "order_id") == {"1": Decimal(20), "2": Decimal(5)}
    assert [note for note in tally.notes if "several amounts" in note] == [
        "shop: 1 ids have several amounts in one file, the last one stands: for example order_id '1' in orders.csv has "
        "80 (line 2) and then 20"
    ]


def test_a_history_in_one_file_is_merged_by_its_dates_and_is_no_contradiction(tmp_path: Path) -> None:
    deals = {
        "name": "crm", "stream": "deals", "path": "deals.csv",
        "columns": {"deal_id": "id", "status": "state", "created_at": "made", "closed_at": "closed", "amount": "sum", "updated_at": "at"},
        "constants": {"currency_code": "EUR"},
    }  # fmt: skip
    put(
        tmp_path,
        deals="id,state,made,closed,sum,at\n1,won,,2026-03-05,90,2026-03-05\n1,open,2026-03-01,,100,2026-03-01\n",
    )
    table, tally = swept(tmp_path, deals)
    (row,) = table.to_pylist()
    assert (row["status"], row["amount"], row["created_at"].day, row["closed_at"].day) == ("won", 90, 1, 5)
    assert row["filed_at"] == row["created_at"]
    assert not [note for note in tally.notes if "several amounts" in note]


def test_a_later_file_stands_above_an_earlier_one_with_its_empty_cells(tmp_path: Path) -> None:
    put(tmp_path, orders_1="id,day,total\n1,2026-09-01,10\n1,,\n", orders_2="id,day,total\n1,2026-09-01,\n")
    table, _ = swept(tmp_path, {**ORDERS, "path": "orders_*.csv"})
    assert amounts(table, "order_id") == {"1": None}


_CELLS = st.one_of(st.none(), st.integers(1, 5))
_LINES = st.lists(st.tuples(st.integers(1, 4), _CELLS, _CELLS, st.booleans()), min_size=1, max_size=25)


@given(files=st.lists(_LINES, min_size=1, max_size=3))
@rounds(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_merging_is_what_a_loop_over_the_lines_does(tmp_path: Path, files: list[list[tuple[Any, ...]]]) -> None:
    """Against a second implementation, row by row: ids with a dated line in the file, last filled cell, last file."""
    for old in tmp_path.glob("orders_*.csv"):
        old.unlink()
    expected: dict[str, dict[str, Any]] = {}
    for number, lines in enumerate(files):
        text, seen = "id,day,total,item\n", {}
        for order, total, item, has_day in lines:
            day = "2026-09-01" if has_day else ""
            text += f"{order},{day},{'' if total is None else total},{'' if item is None else f'i{item}'}\n"
            found = seen.setdefault(str(order), {"amount": None, "product": None, "dated": False})
            found["amount"] = found["amount"] if total is None else Decimal(total)
            found["product"] = found["product"] if item is None else f"i{item}"
            found["dated"] |= has_day
        put(tmp_path, **{f"orders_{number}": text + f"99,2026-09-01,{number},\n"})  # no file has bad rows only
        expected |= {order: row for order, row in seen.items() if row["dated"]}
    columns = {**ORDERS["columns"], "product": "item"}
    table, _ = swept(tmp_path, {**ORDERS, "path": "orders_*.csv", "columns": columns})
    found = {row["order_id"]: (row["amount"], row["product"]) for row in table.to_pylist()}
    assert found.pop("99")[0] == len(files) - 1
    assert found == {order: (row["amount"], row["product"]) for order, row in expected.items()}


# ---- refunds


def test_a_negative_amount_under_an_orders_id_is_a_refund_of_it(tmp_path: Path) -> None:
    put(
        tmp_path,
        orders="id,day,total,buyer\n"
        "1,2026-09-01 10:00,100,c1\n"
        "1,2026-09-12 09:30,-30,\n"
        "1,2026-09-12 09:30,-20,\n"
        "2,2026-09-02,-15,c2\n"  # a credit note with a number of its own
        "3,2026-09-20,-5,c3\n"  # the newest first
        "3,2026-09-03,50,c3\n"
        "4,2026-09-04,,c4\n"  # an order of unknown amount
        "4,2026-09-05,-7,c4\n",
    )
    table, tally = swept(tmp_path, {**ORDERS, "columns": {**ORDERS["columns"], "customer_id": "buyer"}})
    rows = {row["order_id"]: (row["amount"], row["refund_of"], row["is_refund"]) for row in table.to_pylist()}
    assert rows == {
        "1": (100, None, None),
        "1:refund:2026-09-12T09:30:00": (-30, "1", True),
        "1:refund:2026-09-12T09:30:00:2": (-20, "1", True),
        "2": (-15, None, None),
        "3": (50, None, None),
        "3:refund:2026-09-20T00:00:00": (-5, "3", True),
        "4": (None, None, None),
        "4:refund:2026-09-05T00:00:00": (-7, "4", True),
    }
    assert tally.notes == ["4 refunds stand under their order's id"]


def test_refunds_of_a_later_file_add_to_the_order_and_repeat_nothing(tmp_path: Path) -> None:
    put(
        tmp_path,
        orders_1="id,day,total\n1,2026-09-01,100\n1,2026-09-05,-30\n",
        orders_2="id,day,total\n1,2026-09-01,100\n1,2026-09-05,-30\n1,2026-09-08,-20\n",
        orders_3="id,day,total\n1,2026-09-09,-1\n",
    )
    table, _ = swept(tmp_path, {**ORDERS, "path": "orders_*.csv"})
    assert sorted(table["amount"].to_pylist()) == [-30, -20, -1, 100]


@given(lines=st.lists(st.tuples(st.integers(1, 3), st.integers(-9, 9), st.integers(1, 3)), min_size=1, max_size=15))
@rounds(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_refunds_are_conserved(tmp_path: Path, lines: list[tuple[int, int, int]]) -> None:
    """All negative amounts of an id that also has another one are rows; no row of a file counts twice."""
    put(tmp_path, orders="id,day,total\n" + "".join(f"{i},2026-09-0{day},{total}\n" for i, total, day in lines))
    table, _ = swept(tmp_path, ORDERS)
    for order in {str(i) for i, _, _ in lines}:
        mine = [Decimal(total) for i, total, _ in lines if str(i) == order]
        orders, refunds = [a for a in mine if a >= 0], [a for a in mine if a < 0]
        rows = [row for row in table.to_pylist() if row["order_id"].split(":")[0] == order]
        if orders:
            assert sorted(row["amount"] for row in rows if row["refund_of"]) == sorted(refunds)
            assert [row["amount"] for row in rows if not row["refund_of"]] == [orders[-1]]
        else:
            assert [row["amount"] for row in rows] == [refunds[-1]]


# ---- labels and dimensions


def test_a_renamed_campaign_is_the_same_campaign(tmp_path: Path) -> None:
    put(
        tmp_path,
        cost_1="Day,ID,Campaign,Cost\n2026-09-01,11,Brand,10\n2026-09-02,11,Brand,12\n2026-09-02,,Posters,3\n",
        cost_2="Day,ID,Campaign,Cost\n2026-09-02,11,Brand - EU,12.50\n2026-09-03,11,Brand - EU,9\n2026-09-02,,Flyers,4\n",
    )
    table, _ = swept(tmp_path, COSTS)
    # a campaign without an id is known by its name only: another name is another campaign
    assert sum(table["cost"].to_pylist()) == Decimal("10") + Decimal("12.50") + 9 + 3 + 4


def test_a_corrected_ledger_replaces_what_it_corrects(tmp_path: Path) -> None:
    put(
        tmp_path,
        costs_a="from,to,sum,type,channel\n2026-03-01,2026-03-31,3100,agency,Paid Search\n2026-03-01,2026-03-31,310,technology,\n"
        "2026-03-01,2026-03-31,50,labour,\n",
        costs_b="from,to,sum,type,channel\n2026-03-01,2026-03-31,620,technology,\n2026-03-01,2026-03-31,1,technology,\n",
    )
    table, _ = swept(tmp_path, LEDGER)
    rows = sorted(zip(table["cost_type"].to_pylist(), table["amount"].to_pylist(), strict=True))
    assert rows == [("agency", 3100), ("labour", 50), ("technology", 1), ("technology", 620)]


def test_a_line_with_an_id_is_known_by_it_alone(tmp_path: Path) -> None:
    put(
        tmp_path,
        costs_a="id,from,to,sum,type,channel\nx,2026-03-01,2026-03-31,31,overhead,\n",
        costs_b="id,from,to,sum,type,channel\nx,2026-03-05,2026-03-31,62,overhead,Email\n",
    )
    table, _ = swept(tmp_path, {**LEDGER, "columns": {**LEDGER["columns"], "line_id": "id"}})
    assert table["amount"].to_pylist() == [62]


# ---- rows that sum up others


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        (["2026-09-01,,,3000,70,42.50", "2026-09-01,a,A,1000,30,30", "2026-09-01,b,B,2000,40,12.50"], "42.50"),
        # one campaign alone: its measures all agree with the sum
        (["2026-09-01,a,A,1000,30,30", "2026-09-01,,,1000,30,30"], "30"),
        # the sum of several days stands on the first of them
        (["2026-09-01,a,A,1,1,1", "2026-09-02,a,A,2,2,2", "2026-09-01,,,3,3,3"], "3"),
        # cost that has no campaign, and is no sum
        (["2026-09-01,,,3000,70,42.51", "2026-09-01,a,A,1000,30,30", "2026-09-01,b,B,2000,40,12.50"], "85.01"),
        (["2026-09-01,,,,,30", "2026-09-01,a,A,,,30"], "60"),
    ],
)
def test_a_row_that_sums_up_the_others_is_left_out(tmp_path: Path, lines: list[str], total: str) -> None:
    columns = {**COSTS["columns"], "impressions": "Impressions", "clicks": "Clicks"}
    put(tmp_path, cost_1="Day,ID,Campaign,Impressions,Clicks,Cost\n" + "\n".join(lines))
    # what the mapping says of every row names none of them
    constants = {**COSTS["constants"], "source": "vk", "medium": "cpc"}
    table, tally = swept(tmp_path, {**COSTS, "columns": columns, "constants": constants})
    assert sum(table["cost"].to_pylist()) == Decimal(total)
    was_left_out = [note for note in tally.notes if "rows that sum up the others of their file were left out" in note]
    assert len(was_left_out) == (table.num_rows < len(lines))


def test_lines_of_totals_are_told_and_are_no_bad_rows(tmp_path: Path) -> None:
    put(
        tmp_path,
        cost_1="Day,ID,Campaign,Cost\n2026-09-01,11,Brand,10\n2026-09-02,12,Totally new,5\nTotal: Account,--,--,15\n"
        "--,--,Итого,15\n--,,,15\nTotal rows: 2\n--,13,Brand,1\n",
    )
    table, tally = swept(tmp_path, COSTS)
    assert sum(table["cost"].to_pylist()) == 15
    assert tally.notes == ["ads: 4 rows of totals were left out, first cost_1.csv, line 4"]
    assert tally.bad_rows == [
        "ads: cost_1.csv, line 8: date (Day) is empty"
    ]  # a campaign's cost without a day is lost money


# ---- sessions


def test_two_browsers_with_one_session_id_are_two_sessions(tmp_path: Path) -> None:
    visits = {
        "name": "web", "stream": "sessions", "path": "v.csv",
        "columns": {"session_id": "id", "started_at": "at", "client_id": "client", "page_views": "views"},
    }  # fmt: skip
    put(tmp_path, v="id,at,client,views\n1,2026-09-01,a,1\n1,2026-09-01,b,2\n1,2026-09-01,b,\n2,2026-09-01,a,3\n")
    table, _ = swept(tmp_path, visits)
    rows = {(row["session_id"], row["client_id"]): row["page_views"] for row in table.to_pylist()}
    assert rows == {("1", "a"): 1, ("1", "b"): 2, ("2", "a"): 3}


def test_leads_are_merged_as_well(tmp_path: Path) -> None:
    put(tmp_path, leads="id,created,src\n1,2026-09-01,google\n1,2026-09-01,\n")
    table, _ = swept(tmp_path, {**LEADS, "columns": {**LEADS["columns"], "source": "src"}})
    assert table["source"].to_pylist() == ["google"]
