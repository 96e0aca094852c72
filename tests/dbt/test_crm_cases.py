"""Small files that went wrong, read as a user's mapping reads them: what orders, deals and leads become of them.

The files of several cases stand in one installation: each mapping is renamed after its case.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.channel_names import standard_channels
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.settings import FilesSettings
from dagster_project.wire import Tally
from tests.support.house import House

CASES = (
    "incomplete_rows",
    "models_02_orders",
    "02_shopify_line_items",
    "04_pandas_float_ids",
    "12_hubspot_export_multi",
)
RULES = {
    "reporting": {"time_zone": "Europe/Berlin", "currency": "EUR"},
    "revenue_truth": "files",
    "exchange_rates": {"providers": ["file"]},
}
# of our own: what must not split a person, and what must not make one of two
PEOPLE = """id,created,mail,tel
z1,2026-02-01,jo@people.example.org,
z2,2026-02-02,j\u200bo@people.example.org,
p1,2026-02-01,,4.47900E+11
p2,2026-02-02,,4.47900E+11
p3,2026-02-03,,"+49 30 1234576, +49 30 7654312"
p4,2026-02-04,,+49 30 7654312
p5,2026-02-05,,+49 30 1234576
"""
OF_PEOPLE = {"name": "people", "stream": "leads", "path": "people.csv",
             "columns": {"lead_id": "id", "created_at": "created", "email": "mail", "phone": "tel"}}  # fmt: skip
MODELS = ("+fct_orders", "+fct_opportunities", "+fct_lead_stages", "+dim_customer", "+audit_deals", "+fct_attribution")


def mappings(folder: Path, case: str) -> list[dict[str, Any]]:
    found = yaml.safe_load((folder / case / "funnelhouse.yml").read_text(encoding="utf-8"))["files"]
    return [{**mapping, "name": f"{case}_{mapping['name']}", "path": f"{case}/{mapping['path']}"} for mapping in found]


def put_files(house: House, folder: Path, *wanted: dict[str, Any], time_zone: str = "Europe/Berlin") -> None:
    """What these mappings read of the files in `folder`, as raw rows."""
    settings = FilesSettings(
        mappings=tuple(FileMapping.model_validate(mapping) for mapping in wanted),
        base_folder=str(folder),
        reporting_time_zone=time_zone,
        channels=(*standard_channels(), "Webinar", "Podcast"),  # which incomplete_rows names
        hash_key="a key that is long enough",
    )
    for stream in sorted({mapping["stream"] for mapping in wanted}):
        pages = house.streams[f"files/{stream}"].sweep(settings, Tally())
        house.put(f"files/{stream}", [row for page in pages for row in page.rows.to_pylist()])


@pytest.fixture(scope="module")
def house(tmp_path_factory, dbt_project, shared_dir) -> House:
    house = House(tmp_path_factory.mktemp("cases") / "home", dbt_project)
    house.rules(RULES)
    folder = tmp_path_factory.mktemp("files")
    for case in CASES:
        shutil.copytree(shared_dir / "cases" / case, folder / case)
    (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    put_files(house, folder, OF_PEOPLE, *(mapping for case in CASES for mapping in mappings(folder, case)))
    house.build(*MODELS)
    return house


def orders(house: House, case: str) -> dict[str, tuple]:
    """order id -> its kind, whole amount (None if unknown) and whether it makes a customer new."""
    rows = house.rows(
        "select split_part(order_id, ':', 3), kind, amount_native, is_new_customer from marts.fct_orders "
        f"where order_id like 'files:{case}%' and kind = 'order'"
    )
    return {name: (None if amount is None else float(amount), is_new) for name, _, amount, is_new in rows}


def refunds(house: House, case: str) -> list[tuple]:
    return house.rows(
        "select split_part(refund_of_order_id, ':', 3), order_date::varchar, amount_native::float from marts.fct_orders "
        f"where order_id like 'files:{case}%' and kind = 'refund' order by 1, 2"
    )


def test_incomplete_rows(house: House) -> None:
    found = orders(house, "incomplete_rows")
    assert {name: amount for name, (amount, _) in found.items()} == {"1001": 100, "1002": 50, "1003": 70, "1004": 70}
    # g@x.com bought twice; nobody knows who bought the others
    assert [name for name, (_, is_new) in found.items() if is_new] == ["1001"]
    deals = house.rows(
        "select crm_deal_id, status, closed_date::varchar, sales_cycle_days from marts.fct_opportunities "
        "where deal_id like 'files:incomplete%' order by 1"
    )
    # lead 1 is of 5 January: 55 whole days to 1 March
    assert deals == [("d1", "won", "2026-03-01", 55.0), ("d2", "won", None, None)]
    assert house.rows(
        "select crm_deal_id, finding, amount_native::int from marts.audit_deals where deal_id like 'files:incomplete%'"
    ) == [("d2", "undated", 500)]
    assert house.rows(
        "select count(*) from marts.fct_lead_stages where stage = 'won' and lead_id like 'files:incomplete%'"
    ) == [(1,)]


def test_line_items_keep_the_total_of_their_order(house: House) -> None:
    assert orders(house, "02_shopify_line_items") == {"#1001": (59.5, True), "#1002": (11.9, True)}


def test_orders_refunds_and_unknown_amounts(house: House) -> None:
    found = orders(house, "models_02_orders")
    assert {name: amount for name, (amount, _) in found.items()} == {
        "#1001": 120, "#1002": 50, "500": 50, "510": 26400, "520": 100, "530": 0, "540": None, "9001": 100, "9002": 20,
    }  # fmt: skip
    assert refunds(house, "models_02_orders") == [
        ("500", "2026-03-08", -15), ("500", "2026-03-09", -35), ("520", "2026-03-20", -100), ("9001", "2026-03-12", -100),
    ]  # fmt: skip
    # 500, 520 and 9001 came back whole
    assert [name for name, (_, is_new) in sorted(found.items()) if not is_new] == ["500", "520", "9001"]


def test_ids_that_a_spreadsheet_made_floats_find_each_other(house: House) -> None:
    deals = house.rows(
        "select crm_deal_id, lead_id, customer_id from marts.fct_opportunities where deal_id like 'files:04%' order by 1"
    )
    lead = "files:04_pandas_float_ids_crm:{}".format
    assert deals == [
        ("9001", lead(101), lead(101)), ("9002", None, "files:customer:56"), ("9003", lead(102), lead(102)),
    ]  # fmt: skip
    order = house.rows("select lead_id, customer_id, amount::int from marts.fct_orders where order_id like 'files:04%'")
    assert order == [(lead(101), lead(101), 100)]


def test_a_deal_with_several_contacts_reaches_the_first_and_the_others(house: House) -> None:
    lead = "files:12_hubspot_export_multi_hs:{}".format
    rows = house.rows(
        "select crm_deal_id, lead_id, amount_native::int from marts.fct_opportunities where deal_id like 'files:12%' order by 1"
    )
    assert rows == [("9001", lead(501), 1200), ("9002", lead(502), 800)]
    people = house.rows(
        "select deal_key, person_id from intermediate.int_deal_people_matched where deal_key like 'files:12%' order by 1, 2"
    )
    assert [(deal.split(":")[-1], person) for deal, person in people] == [
        ("9001", lead(501)), ("9001", lead(502)), ("9002", lead(502)),
    ]  # fmt: skip


def test_broken_phones_join_nobody_and_invisible_characters_part_nobody(house: House) -> None:
    people: dict[str, set[str]] = {}
    for record, person in house.rows(
        "select record_key, person_id from intermediate.int_people_deduplicated where record_key like 'files:people:%'"
    ):
        people.setdefault(person, set()).add(record.split(":")[-1])
    assert sorted(people.values(), key=sorted) == [{"p1"}, {"p2"}, {"p3", "p5"}, {"p4"}, {"z1", "z2"}]
