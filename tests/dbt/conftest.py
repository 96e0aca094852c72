"""Fixtures of the tests that run dbt: one parsed project a session, one warehouse a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import crm_world
from tests.support.house import DbtProject, House

# everything that is built from people, deals and orders
CRM_MODELS = (
    "path:models/staging/hubspot", "path:models/intermediate/crm", "fct_leads", "fct_lead_stages", "fct_opportunities",
    "fct_orders", "fct_touchpoints", "fct_attribution", "dim_sales_rep", "dim_customer",
)  # fmt: skip

RawTables = Mapping[str, Sequence[Mapping[str, Any]]]


@pytest.fixture(scope="session")
def dbt_project(tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    return DbtProject(tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def house(tmp_path: Path, dbt_project: DbtProject) -> House:
    """An empty installation: all streams declared, no source on, default rules."""
    return House(tmp_path / "home", dbt_project)


@pytest.fixture
def warehouse(house: House) -> Callable[..., House]:
    """`warehouse({"ga4/traffic": [...]}, rules={...})`: those raw rows, built; gives the house."""

    def build(raw_tables: RawTables, *select: str, rules: Mapping[str, Any] | None = None) -> House:
        house.rules(rules or {})
        for stream_id, rows in raw_tables.items():
            house.put(stream_id, rows)
        house.build(*select)
        return house

    return build


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory, dbt_project: DbtProject) -> House:
    """The portal of crm_world.py, with all CRM models built once and their dbt tests passed."""
    house = House(tmp_path_factory.mktemp("portal") / "home", dbt_project)
    house.rules(crm_world.RULES)
    for stream_id, rows in crm_world.world().items():
        house.put(stream_id, rows)
    house.build(*(f"+{model}" for model in (*CRM_MODELS, "dim_campaign", "dim_landing_page")))
    house.build(*CRM_MODELS, command="test")
    return house
