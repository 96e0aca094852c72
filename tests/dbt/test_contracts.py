"""Marts keep what they promise: a model that gives other columns does not build, a table of another shape is built anew.
And who may read which model, and who does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import yaml
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode

from dagster_project import kpis
from tests.dbt.test_replace_window import FIRST, WEB, fill
from tests.support.house import DBT_PROJECT, DbtFailed, DbtProject, House

CONTRACT = yaml.safe_load((DBT_PROJECT.parent / "docs" / "contract.yml").read_text(encoding="utf-8"))["tables"]
TEAMS = {"marketing", "sales", "data"}


def columns_of(house: House, schema: str) -> dict[str, dict[str, str]]:
    """schema.table -> column -> type, as DuckDB has them."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in house.rows(
        "select table_name, column_name, lower(data_type) from duckdb_columns() "
        f"where schema_name = '{schema}' and database_name = current_database() order by table_name, column_index"
    ):
        found.setdefault(f"{schema}.{table}", {})[column] = kind
    return found


@pytest.fixture
def manifest(house: House, dbt_project: DbtProject) -> Manifest:
    assert dbt_project.manifest is not None
    return dbt_project.manifest


def models(manifest: Manifest) -> Iterator[ModelNode]:
    return (node for node in manifest.nodes.values() if isinstance(node, ModelNode))


def test_built_marts_have_the_columns_and_types_of_the_contract(house: House) -> None:
    built = columns_of(house, "marts")
    assert built == {name: columns for name, columns in CONTRACT.items() if name.startswith("marts.")}
    assert all(list(built[name]) == list(CONTRACT[name]) for name in built), "columns in the order of the contract"


def test_a_model_that_gives_another_type_does_not_build(
    house: House, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = manifest.nodes["model.funnelhouse.dim_landing_page"].columns
    monkeypatch.setattr(columns["landing_page_section"], "data_type", "integer")
    with pytest.raises(DbtFailed, match=r"(?s)enforced contract.*landing_page_section"):
        house.build("dim_landing_page")
    assert columns_of(house, "marts")["marts.dim_landing_page"]["landing_page_section"] == "varchar"


def test_a_model_that_gives_a_column_too_many_does_not_build(
    house: House, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(manifest.nodes["model.funnelhouse.dim_landing_page"].columns, "landing_page_section")
    with pytest.raises(DbtFailed, match=r"(?s)enforced contract.*landing_page_section"):
        house.build("dim_landing_page")


def test_an_incremental_table_of_another_shape_is_built_anew(house: House) -> None:
    fill(house, days=2)
    house.build(*WEB)
    before = house.table("marts.fct_web_traffic")
    assert {row[0] for row in before} == {FIRST, FIRST + timedelta(days=1)}
    with house.connection(read_only=False) as connection:  # as an older version left it, with no day to build
        connection.execute("alter table marts.fct_web_traffic alter sessions type varchar")
        connection.execute("alter table marts.fct_web_traffic drop country")
        connection.execute("alter table marts.fct_web_traffic add column gone_since integer")
    house.build("fct_web_traffic")
    assert columns_of(house, "marts")["marts.fct_web_traffic"] == CONTRACT["marts.fct_web_traffic"]
    assert house.table("marts.fct_web_traffic") == before


def test_marts_are_public_and_under_contract_and_nothing_else_is(manifest: Manifest) -> None:
    owners = {group.name: group.owner.name for group in manifest.groups.values()}
    assert set(owners) == {"web", "crm", "ads_and_costs", "attribution", "audits", "meta"}
    assert set(owners.values()) == TEAMS
    for model in models(manifest):
        is_mart = model.fqn[1] == "marts"
        assert (model.access.value == "public") == is_mart, model.name
        assert model.contract.enforced == is_mart, model.name
        assert model.group in owners, model.name


def test_an_intermediate_is_private_unless_another_group_reads_it(manifest: Manifest) -> None:
    readers: dict[str, set[str]] = {}
    for model in models(manifest):
        for name in model.depends_on.nodes:
            readers.setdefault(name, set()).add(str(model.group))
    for model in models(manifest):
        if model.fqn[1] == "intermediate":
            is_shared = bool(readers.get(model.unique_id, set()) - {model.group})
            assert model.access.value == ("protected" if is_shared else "private"), model.name


def test_exposures_name_what_is_read(manifest: Manifest) -> None:
    read = {e.name: {name.split(".")[-1] for name in e.depends_on.nodes} for e in manifest.exposures.values()}
    headline = {m.name for m in manifest.metrics.values() if "headline" in m.config.meta}
    assert read == {
        "kpi_tables": set(kpis.MARTS),
        "kpi_scoreboard": headline,
        "published_copy": {name.removeprefix("marts.") for name in CONTRACT if name.startswith("marts.")},
    }
    assert {e.owner.name for e in manifest.exposures.values()} <= TEAMS
