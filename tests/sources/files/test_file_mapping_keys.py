"""What a mapping may say of rows and columns: where, unit, positions, arithmetic, row numbers, lists, ranges, counts."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as rounds
from hypothesis import strategies as st
from pydantic import ValidationError

from dagster_project.sources.files.arithmetic import EXACT, as_kind, calculated, understood
from dagster_project.sources.files.formats import Formats
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.spread import spread
from dagster_project.wire import ConfigError, DriftError
from tests.support.dropped_files import LEADS, ORDERS, swept

COSTS: dict[str, Any] = {
    "name": "ads", "stream": "ad_cost", "path": "cost.csv",
    "columns": {"date": "Day", "campaign_name": "Campaign", "cost": "Cost"},
    "constants": {"platform": "vk", "currency_code": "EUR"},
}  # fmt: skip
VISITS: dict[str, Any] = {
    "name": "web", "stream": "sessions", "path": "visits.csv",
    "columns": {"started_at": "Day", "source": "Source", "count": "Sessions"},
}  # fmt: skip
DEALS: dict[str, Any] = {
    "name": "crm", "stream": "deals", "path": "deals.csv",
    "columns": {"deal_id": "id", "status": "state", "created_at": "made", "lead_id": "contacts"},
}  # fmt: skip


def put(folder: Path, **files: str) -> None:
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)


def with_columns(mapping: dict[str, Any], **columns: Any) -> dict[str, Any]:
    return {**mapping, "columns": {**mapping["columns"], **columns}}


# ---- where


def test_rows_are_chosen_by_their_own_values(tmp_path: Path) -> None:
    put(
        tmp_path,
        orders="id,day,total,Status,Test\n1,2026-09-01,100,Paid,\n2,2026-09-01,100,Failed,\n3,2026-09-01,7, PAID ,\n"
        "4,never,x,Refunded,\n5,2026-09-01,1000,paid,yes\n",
    )
    table, tally = swept(tmp_path, {**ORDERS, "where": {"Status": ["paid"]}, "where_not": {"Test": "yes"}})
    assert sorted(table["amount"].to_pylist()) == [7, 100]
    assert tally.notes == ["shop: 3 rows were left out by where and where_not"]
    assert tally.bad_rows == []  # what is left out on purpose is no bad row
    table, _ = swept(tmp_path, {**ORDERS, "where": {"Test": ""}, "where_not": {"Status": ["Failed", "refunded"]}})
    assert sorted(table["amount"].to_pylist()) == [7, 100]


def test_a_line_item_is_chosen_as_its_order_is(tmp_path: Path) -> None:
    put(
        tmp_path,
        orders="id,day,total,Status,item\n1,2026-09-01,100,paid,a\n1,2026-09-01,,,b\n2,2026-09-01,50,voided,c\n"
        "2,2026-09-01,,,d\n3,2026-09-01,,,e\n",
    )
    columns = with_columns(ORDERS, product="item")
    for rule, others in (
        ({"where": {"Status": "paid"}}, {}),
        ({"where_not": {"Status": "voided"}}, {"3": (None, "e")}),
    ):
        table, _ = swept(tmp_path, {**columns, **rule})
        rows = {row["order_id"]: (row["amount"], row["product"]) for row in table.to_pylist()}
        assert rows == {"1": (100, "b"), **others}


def test_where_that_leaves_nothing_names_the_values_that_there_are(tmp_path: Path) -> None:
    put(tmp_path, orders="id,day,total,Status\n1,2026-09-01,100,Paid\n2,2026-09-01,100,a@b.example\n")
    with pytest.raises(
        ConfigError, match=r"'shop': where leaves none of 2 rows; Status has 'Paid', '\(an e-mail address\)'"
    ):
        swept(tmp_path, {**ORDERS, "where": {"Status": ["payd"]}})
    with pytest.raises(DriftError, match=r"there is no column 'Stauts' \(did you mean 'Status'"):
        swept(tmp_path, {**ORDERS, "where": {"Stauts": ["paid"]}})


# ---- units


def test_numbers_in_other_units(tmp_path: Path) -> None:
    put(tmp_path, cost="Day,Campaign,Cost,Shown,Value\n2026-09-01,A,125500000,1.25,999\n2026-09-02,A,1,0.0005,\n")
    mapping = with_columns(COSTS, impressions="Shown", conversions_value="Value")
    units = {"cost": "1e-6", "impressions": "thousands", "conversions_value": "cents"}
    table, tally = swept(tmp_path, {**mapping, "unit": units})
    assert table.select(["cost", "impressions", "conversions_value"]).to_pylist() == [
        {"cost": Decimal("125.5"), "impressions": 1250, "conversions_value": 9.99},
        {"cost": Decimal("0.000001"), "impressions": None, "conversions_value": None},
    ]
    assert tally.bad_cells == ["ads: cost.csv, line 3: impressions (Shown) '0.0005' is not a whole number"]
    table, _ = swept(tmp_path, {**mapping, "unit": {"cost": "micros", "impressions": 4000, "conversions_value": 0.5}})
    assert (table["cost"][0].as_py(), table["impressions"].to_pylist()) == (Decimal("125.5"), [5000, 2])


# ---- positions


def test_columns_by_position(tmp_path: Path) -> None:
    put(tmp_path, leads="id,created,,created\n1,2026-09-01,google,2020-01-01\n")
    with pytest.raises(
        DriftError, match="'created' is there 2 times; name the one that is meant by its position: 2 or 4"
    ):
        swept(tmp_path, LEADS)
    table, _ = swept(tmp_path, with_columns(LEADS, created_at=4, source=3))
    assert (table["created_at"][0].as_py().year, table["source"].to_pylist()) == (2020, ["google"])
    with pytest.raises(DriftError, match="there is no column 5: its header has 4 columns"):
        swept(tmp_path, with_columns(LEADS, created_at=5))
    pq.write_table(pa.table({"id": ["1"], "created": ["2026-09-01"]}), tmp_path / "leads.parquet")
    table, _ = swept(tmp_path, {**with_columns(LEADS, created_at=2), "path": "leads.parquet"})
    assert table.num_rows == 1


def test_a_file_without_a_header(tmp_path: Path) -> None:
    put(tmp_path, leads='1,2026-09-01,"a\nb"\n2,2026-09-02,c\n3\n4,2026-09-04,d\n')
    mapping = {**LEADS, "header": False, "columns": {"lead_id": 1, "created_at": 2, "source": 3}}
    table, tally = swept(tmp_path, mapping)
    assert list(zip(table["lead_id"].to_pylist(), table["_line"].to_pylist(), strict=True)) == [
        ("1", 1),
        ("2", 3),
        ("4", 5),
    ]
    assert tally.bad_rows == ["crm: leads.csv, line 4: 1 cells where the header has 3"]
    (tmp_path / "leads.csv").write_bytes(b"title\n1;2026-09-01;x\n2;2026-09-02;\xff\n3;2026-09-03;y\n")
    table, _ = swept(tmp_path, {**mapping, "delimiter": ";", "skip_lines": 1})
    assert list(zip(table["lead_id"].to_pylist(), table["_line"].to_pylist(), strict=True)) == [("1", 2), ("3", 4)]


# ---- arithmetic


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Quantity * Price", "12.75"),
        ("Quantity × (Price - Discount (EUR))", "11.25"),
        ("Price - Quantity - Discount (EUR)", "0.75"),
        ("2 + Quantity * 3 ÷ 2", "6.5"),
        ("(2 + Quantity) * 3 / 2", "7.5"),
        ("[Cost / conv.] * Quantity", "30"),
        ("[2024] * 2", "14"),
        ("Quantity * -1", "-3"),
        ("0.1 + 0.2", "0.3"),
        ("Share * Quantity", "0.93"),
        ("Price / 3", "1.416666666667"),
    ],
)
def test_arithmetic(text: str, value: str) -> None:
    """Expected values by hand: Quantity 3, Price 4.25, a discount of 0.50, a cost of 10 for each conversion."""
    cells = {
        "Quantity": pa.array(["3"]), "Price": pa.array(["4.25"]), "Discount (EUR)": pa.array(["0.50"]),
        "Cost / conv.": pa.array([10.0]), "2024": pa.array([7]), "Share": pa.array(["31 %"]),
    }  # fmt: skip
    values, failed = calculated(understood(text), cells, 1, Formats())
    assert values.type == EXACT
    assert (values[0].as_py(), failed[0].as_py()) == (Decimal(value), False)


@given(
    a=st.decimals(-(10**9), 10**9, places=6),
    b=st.decimals(-(10**6), 10**6, places=6),
    c=st.decimals(1, 10**4, places=4),
)
@rounds(max_examples=100, deadline=None)
def test_arithmetic_is_exact(a: Decimal, b: Decimal, c: Decimal) -> None:
    cells = {"a": pa.array([str(a)]), "b": pa.array([str(b)]), "c": pa.array([str(c)])}

    def of(text: str) -> Decimal:
        return calculated(understood(text), cells, 1, Formats())[0][0].as_py()

    assert of("a + b - c") == a + b - c
    assert of("a * b") == a * b
    assert of("(a - b) * c") == ((a - b) * c)
    exact = (a / c).quantize(Decimal("1e-12"), ROUND_HALF_UP)
    assert abs(of("a / c") - exact) <= Decimal("1e-12")
    whole, _ = as_kind(pa.array([a], EXACT), pa.int64(), to_whole=True)
    assert whole[0].as_py() == int(a.quantize(Decimal(1), ROUND_HALF_UP))


def test_amounts_are_calculated_row_by_row(tmp_path: Path) -> None:
    put(
        tmp_path,
        orders='id,day,Quantity,Price,a * b\n1,2026-09-01,3,"$1,234.50",1\n2,2026-09-01,2,0.333333,2\n3,2026-09-01,,5,3\n'
        "4,2026-09-01,x,5,4\n",
    )
    mapping = {**with_columns(ORDERS, amount="Quantity * Price"), "thousands": ","}
    table, tally = swept(tmp_path, mapping)
    assert table["amount"].to_pylist() == [Decimal("3703.5"), Decimal("0.666666"), None, None]
    assert tally.bad_cells == [
        "shop: orders.csv, line 5: amount: 'Quantity * Price' cannot be calculated: a cell of it is no number, or it divides by 0"
    ]
    table, _ = swept(tmp_path, with_columns(ORDERS, amount="a * b"))  # a column of that name is that column
    assert table["amount"].to_pylist() == [1, 2, 3, 4]
    with pytest.raises(DriftError, match="there is no column 'Amount'"):
        swept(tmp_path, with_columns(ORDERS, amount="Amount * Price"))
    (tmp_path / "orders.jsonl").write_text('{"id": 1, "day": "2026-09-01", "line": {"n": 2}, "price": 1.5}\n')
    table, _ = swept(tmp_path, {**with_columns(ORDERS, amount="line.n * price"), "path": "orders.jsonl"})
    assert table["amount"].to_pylist() == [3]


# ---- rows without an id


def test_rows_without_an_id_are_numbered_and_a_later_file_replaces_the_same_rows(tmp_path: Path) -> None:
    put(
        tmp_path,
        orders_1="day,total,buyer\n2026-09-01,10,a\n2026-09-01,10,a\n2026-09-02,5,b\n",
        orders_2="day,total,buyer\n2026-09-02,6,b\n2026-09-03,7,b\n",
    )
    mapping = {**with_columns(ORDERS, order_id="row_number", customer_id="buyer"), "path": "orders_*.csv"}
    table, _ = swept(tmp_path, mapping)
    assert dict(zip(table["order_id"].to_pylist(), table["amount"].to_pylist(), strict=True)) == {
        "orders_1.csv:2": 10,
        "orders_1.csv:3": 10,  # two of one buyer on one day are two
        "orders_2.csv:2": 6,
        "orders_2.csv:3": 7,
    }


# ---- several values in a cell


def test_several_leads_of_a_deal(tmp_path: Path) -> None:
    put(
        tmp_path,
        deals="id,state,made,contacts\n1,won,2026-09-01,501; 502;501\n2,won,2026-09-01,502\n3,won,2026-09-01,;\n",
    )
    table, _ = swept(tmp_path, DEALS)
    assert table.select(["lead_id", "lead_ids"]).to_pylist() == [
        {"lead_id": "501", "lead_ids": ["501", "502"]},
        {"lead_id": "502", "lead_ids": None},
        {"lead_id": None, "lead_ids": None},
    ]
    put(tmp_path, deals="id,state,made,contacts\n1,won,2026-09-01,5;1 | 7\n")
    table, _ = swept(tmp_path, {**DEALS, "separator": {"lead_id": "|"}})
    assert table["lead_ids"].to_pylist() == [["5;1", "7"]]


# ---- ranges


def test_a_row_that_spans_days_is_spread_over_them(tmp_path: Path) -> None:
    put(
        tmp_path,
        cost="Day,End,Campaign,Cost,Clicks\n2026-09-01,2026-09-03,A,100,5\n2026-09-02,,B,7,1\n2026-09-05,2026-09-04,C,1,1\n",
    )
    table, tally = swept(tmp_path, with_columns(COSTS, end_date="End", clicks="Clicks"))
    assert [(r["date"].day, r["campaign_name"], r["cost"], r["clicks"]) for r in table.to_pylist()] == [
        (1, "A", Decimal("33.33"), 1),
        (2, "A", Decimal("33.33"), 2),
        (3, "A", Decimal("33.34"), 2),
        (2, "B", Decimal(7), 1),
    ]
    assert tally.bad_rows == ["ads: cost.csv, line 4: end_date (End) is before date (Day)"]


def test_a_later_file_replaces_the_days_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "cost_1.csv").write_text("Day,End,Campaign,Cost\n2026-09-01,2026-09-30,A,3000\n")
    (tmp_path / "cost_2.csv").write_text("Day,End,Campaign,Cost\n2026-09-30,2026-10-01,A,50\n")
    table, _ = swept(tmp_path, {**with_columns(COSTS, end_date="End"), "path": "cost_*.csv"})
    assert sum(table["cost"].to_pylist()) == 29 * 100 + 50


@given(
    amounts=st.lists(
        st.tuples(
            st.one_of(st.none(), st.decimals(-(10**8), 10**8, places=6)),
            st.one_of(st.none(), st.integers(-(10**6), 10**6)),
            st.integers(1, 400),
        ),
        min_size=1,
        max_size=6,
    )
)
@rounds(max_examples=60, deadline=None)
def test_spreading_conserves_sums_and_is_even(amounts: list[tuple[Any, Any, int]]) -> None:
    start = date(2024, 2, 20)
    rows = pa.table(
        {
            "date": pa.array([start] * len(amounts), pa.date32()),
            "row": list(range(len(amounts))),
            "cost": pa.array([cost for cost, _, _ in amounts], pa.decimal128(24, 6)),
            "clicks": pa.array([clicks for _, clicks, _ in amounts], pa.int64()),
        }
    )
    table, at = spread(rows, "date", pa.array([days for _, _, days in amounts]), ["cost", "clicks"])
    assert at.tolist() == table["row"].to_pylist()
    for number, (cost, clicks, days) in enumerate(amounts):
        mine = [row for row in table.to_pylist() if row["row"] == number]
        assert [row["date"] for row in mine] == [start + timedelta(days=nth) for nth in range(days)]
        if cost is None:
            assert [row["cost"] for row in mine] == [None] * days
        else:
            assert sum(row["cost"] for row in mine) == cost
            assert all(row["cost"] * 100 % 1 == 0 for row in mine[:-1])
            assert max(row["cost"] for row in mine) - min(row["cost"] for row in mine) < Decimal("0.02")
        if clicks is not None:
            assert sum(row["clicks"] for row in mine) == clicks
            assert max(row["clicks"] for row in mine) - min(row["clicks"] for row in mine) <= 1


# ---- counts


def test_visits_that_are_counted_keep_their_count(tmp_path: Path) -> None:
    put(
        tmp_path,
        visits_1="Day,Source,Sessions,Goals,With goal\n2026-09-01,google,120,9,7\n2026-09-01,direct,30,0,0\n2026-09-02,google,x,1,1\n",
        visits_2="Day,Source,Sessions,Goals,With goal\n2026-09-01,google,125,9,7\n",
    )
    mapping = {**with_columns(VISITS, key_events="Goals", sessions_with_key_event="With goal"), "path": "visits_*.csv"}
    table, tally = swept(tmp_path, mapping)
    rows = {row["session_id"]: (row["source"], row["count"], row["key_events"]) for row in table.to_pylist()}
    assert rows == {"visits_1.csv:3": ("direct", 30, 0), "visits_2.csv:2": ("google", 125, 9)}
    assert tally.bad_rows == ["web: visits_1.csv, line 4: count (Sessions) 'x' is not a number"]


def test_leads_that_are_counted_become_as_many_leads(tmp_path: Path) -> None:
    put(
        tmp_path,
        leads="Day,Origin,Leads\n2026-09-01,Referral,3\n2026-09-01,Email,0\n2026-09-02,Email,1\n2026-09-03,Email,-1\n",
    )
    mapping = {
        "name": "crm", "stream": "leads", "path": "leads.csv",
        "columns": {"created_at": "Day", "channel": "Origin", "count": "Leads"},
    }  # fmt: skip
    table, tally = swept(tmp_path, mapping)
    assert sorted(zip(table["lead_id"].to_pylist(), table["channel"].to_pylist(), strict=True)) == [
        ("leads.csv:2:1", "Referral"),
        ("leads.csv:2:2", "Referral"),
        ("leads.csv:2:3", "Referral"),
        ("leads.csv:4:1", "Email"),
    ]
    assert tally.bad_rows == ["crm: leads.csv, line 5: count (Leads) is not between 0 and 100000"]


# ---- cells


def test_a_column_of_which_nothing_can_be_read_is_a_wrong_mapping(tmp_path: Path) -> None:
    put(tmp_path, orders='id,day,total\n1,2026-09-01,"1,234"\n2,2026-09-01,"2,345"\n3,2026-09-01,\n')
    table, tally = swept(tmp_path, ORDERS)
    assert (table["amount"].to_pylist(), tally.bad_cell_count) == ([None] * 3, 2)
    put(tmp_path, orders='id,day,total\n1,2026-09-01,"1,234"\n2,2026-09-01,"2,345"\n3,2026-09-01,"3,456"\n')
    with pytest.raises(
        DriftError, match=r"not one cell of amount \(total\) can be read; orders.csv, line 2.*set decimal"
    ):
        swept(tmp_path, ORDERS)


# ---- what is refused


@pytest.mark.parametrize(
    ("mapping", "change", "message"),
    [
        (ORDERS, {"where": {"Status": []}}, "where.Status"),
        (ORDERS, {"unit": {"product": "cents"}}, "unit.product: no number; allowed are amount"),
        (ORDERS, {"unit": {"amuont": "cents"}}, r"unit.amuont: no such column \(did you mean 'amount'"),
        (ORDERS, {"unit": {"amount": "pennies"}}, "unit.amount = 'pennies': allowed are micros, cents, thousands, millions"),
        (ORDERS, {"unit": {"amount": -1}}, "unit.amount = '-1'"),
        (ORDERS, {"unit": {"amount": 1}}, "unit.amount = '1'"),
        (COSTS, {"unit": {"clicks": "thousands"}}, "unit.clicks is of a column that is not in columns"),
        (ORDERS, {"separator": {"order_id": ";"}}, "separator.order_id: it holds one value; allowed are none"),
        (DEALS, {"separator": {"lead_id": "a"}}, "separator.lead_id = 'a': allowed are signs that no value has"),
        (DEALS, {"separator": {"deal_id": ";"}}, "allowed are lead_id"),
        (with_columns(ORDERS, amount="Quantity * "), {}, None),
        (with_columns(ORDERS, amount="Quantity * (Price"), {}, "parenthesis is opened and not closed; allowed are"),
        (with_columns(ORDERS, amount="Quantity * [Price"), {}, "square bracket is opened"),
        (with_columns(ORDERS, amount="Quantity *  * Price"), {}, "a column or a number is missing"),
        (with_columns(ORDERS, amount="(a + b) c * 2"), {}, "cannot be understood from 'c"),
        (with_columns(ORDERS, amount=["a * b", "c"]), {}, "arithmetic is one text, not a list"),
        (with_columns(ORDERS, amount="a * b"), {"values": {"amount": {"x": "1"}}}, "values.amount: 'a \\* b' is arithmetic"),
        (with_columns(ORDERS, customer_id="row_number"), {}, "columns.customer_id: row_number is an id for rows that have none"),
        (ORDERS, {"header": False}, "columns.order_id: 'id' is a name, and with header: false columns have positions only"),
        (with_columns(ORDERS, order_id=0), {}, "greater than or equal to 1"),
        ({**with_columns(LEADS, created_at=2), "path": "l.jsonl"}, {}, "columns.created_at: 2 is a position, and JSON has none"),
        (with_columns(VISITS, client_id="Client"), {}, "client_id cannot be filled beside count"),
        (with_columns(VISITS, session_id="id"), {}, "session_id cannot be filled beside count"),
        (with_columns(VISITS, key_events="Goals"), {}, "needs sessions_with_key_event as well"),
        (with_columns(LEADS, count="n"), {}, "lead_id cannot be filled beside count"),
        (with_columns(ORDERS, count="n"), {}, "columns.count: no such column"),
        (with_columns(COSTS, end_date="End"), {"constants": {**COSTS["constants"], "cost": "1"}}, "both in columns"),
        (
            {**VISITS, "columns": {"session_id": "id", "started_at": "Day", "engaged_sessions": "n"}},
            {},
            "engaged_sessions is of rows that stand for several visits: give count as well",
        ),
        ({**VISITS, "columns": {"started_at": "Day"}}, {"constants": {"count": "3"}}, "every row would stand for as many"),
    ],
)  # fmt: skip
def test_wrong_keys_are_refused_with_what_is_allowed(mapping: dict, change: dict, message: str | None) -> None:
    if message is None:  # nothing stands behind the sign: it is the name of a column
        assert FileMapping.model_validate({**mapping, **change}).formulas == {}
        return
    with pytest.raises(ValidationError, match=message):
        FileMapping.model_validate({**mapping, **change})
