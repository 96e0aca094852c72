"""What readers were promised is kept: a column dropped, renamed or retyped fails here, and needs a version of its own."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from dagster_project.reading import contract

HELD = contract.read()
TABLES = {"marts.dim_a": {"a": "varchar", "b": "date"}, "kpi.fct_b": {"c": "double"}}


def test_the_code_promises_what_the_contract_holds() -> None:
    """Not equal? `python -m dagster_project.reading.contract` writes what is new, and names what readers would lose."""
    now = contract.promised()
    assert contract.breaks(HELD["tables"], now) == []
    assert now == HELD["tables"]


def test_the_contract_was_not_changed_by_hand() -> None:
    newest = list(HELD["versions"])[-1]
    assert HELD["versions"][newest] == contract.digest(HELD["tables"]), "its tables are not those of its version"


def dropped(tables: dict[str, dict[str, str]]) -> None:
    del tables["marts.dim_a"]["b"]


def renamed(tables: dict[str, dict[str, str]]) -> None:
    tables["marts.dim_a"]["b_day"] = tables["marts.dim_a"].pop("b")


def retyped(tables: dict[str, dict[str, str]]) -> None:
    tables["marts.dim_a"]["b"] = "timestamp with time zone"


def table_gone(tables: dict[str, dict[str, str]]) -> None:
    del tables["kpi.fct_b"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dropped, "marts.dim_a.b is gone"),
        (renamed, "marts.dim_a.b is gone"),
        (retyped, "marts.dim_a.b was date and is timestamp with time zone"),
        (table_gone, "kpi.fct_b is gone"),
    ],
)
def test_a_breaking_change_is_refused_until_it_is_meant(change, said: str, tmp_path: Path) -> None:
    file, after = tmp_path / "contract.yml", deepcopy(TABLES)
    assert contract.write(TABLES, file) == "1.0"
    change(after)
    with pytest.raises(contract.BreakingChange, match=said):
        contract.write(after, file)
    assert contract.read(file)["tables"] == TABLES
    assert contract.write(after, file, is_breaking=True) == "2.0"
    assert contract.read(file)["tables"] == after


def test_a_new_column_is_a_minor_version_and_no_news_is_none(tmp_path: Path) -> None:
    file, after = tmp_path / "contract.yml", deepcopy(TABLES)
    contract.write(TABLES, file)
    after["marts.dim_a"]["d"] = "bigint"
    assert contract.write(after, file) == "1.1"
    assert contract.write(after, file) == "1.1"
    assert list(contract.read(file)["versions"]) == ["1.0", "1.1"]


def test_a_change_by_hand_does_not_fit_its_version(tmp_path: Path) -> None:
    file = tmp_path / "contract.yml"
    contract.write(TABLES, file)
    file.write_text(file.read_text().replace("b: date", "b: varchar"))
    held = contract.read(file)
    assert held["versions"]["1.0"] != contract.digest(held["tables"])
    assert yaml.safe_load(file.read_text())["tables"]["marts.dim_a"]["b"] == "varchar"


# what the standard 3.1 asks for, and its words for types: bitol-io.github.io/open-data-contract-standard
REQUIRED_OF_OPEN = {"apiVersion", "kind", "id", "version", "status"}
WORDS_OF_OPEN = {"string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"}


def test_the_open_contract_has_what_its_standard_asks_for_and_every_promise() -> None:
    """That it is up to date is tested with the other generated pages (tests/test_docs.py)."""
    held = yaml.safe_load((contract.FILE.parent / "datacontract.odcs.yaml").read_text(encoding="utf-8"))
    assert set(held) >= REQUIRED_OF_OPEN
    assert (held["apiVersion"], held["kind"], held["status"]) == ("v3.1.0", "DataContract", "active")
    assert isinstance(held["version"], str)
    assert held["version"] == list(HELD["versions"])[-1]
    tables = {}
    for table in held["schema"]:
        assert (table["logicalType"], table["physicalType"]) == ("object", "table")
        assert table["description"].startswith("Grain: ")
        tables[table["name"]] = {each["name"]: each["physicalType"] for each in table["properties"]}
        assert {each["logicalType"] for each in table["properties"]} <= WORDS_OF_OPEN
        assert all(each["description"] for each in table["properties"])
        keys = sorted(each["primaryKeyPosition"] for each in table["properties"] if each.get("primaryKey"))
        assert keys == list(range(1, len(keys) + 1))
        assert bool(keys) is table["name"].startswith("kpi.")
    assert tables == HELD["tables"]
