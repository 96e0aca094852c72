"""One company read through HubSpot and through Pipedrive: the funnel facts are the same to the row.

Where the systems differ: Pipedrive's moments have whole seconds, and a closed deal stays in the stage that it was in, so
its stage has another name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dagster_project.sandbox import serve
from dagster_project.sandbox.company import Company
from dagster_project.sources import hubspot, pipedrive
from dagster_project.sources.hubspot.settings import HubspotSettings
from dagster_project.sources.pipedrive import api
from dagster_project.sources.pipedrive.settings import PipedriveFields, PipedriveSettings
from tests.support.funnel_facts import COLUMNS, funnel_facts, read_into
from tests.support.house import DbtProject, House

KEY = SecretStr("a key for tests")
MARTS = (*COLUMNS, "dim_sales_rep")
LIFECYCLE = ("lead", "mql", "sal", "sql", "opportunity")


def built(house: House, rules: Any) -> House:
    house.rules(rules)
    house.build(*(f"+{mart}" for mart in MARTS))
    return house


def test_the_funnel_facts_are_those_of_another_crm_to_the_row(
    tmp_path: Path,
    dbt_project: DbtProject,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "CALLS_PER_SECOND", 1_000_000)
    one, other = (House(tmp_path / name, dbt_project) for name in ("one", "other"))
    with serve("2026-10-01", vendors=["hubspot", "pipedrive"]) as sandbox:
        env, at = sandbox.env, sandbox.endpoints
        of_hubspot = HubspotSettings(
            access_token=SecretStr(env["HUBSPOT_ACCESS_TOKEN"]), base_url=at["hubspot"], hash_key=KEY
        )
        read_into(one, of_hubspot, [hubspot.CONTACTS, hubspot.DEALS, hubspot.OWNERS, hubspot.PIPELINES])
        of_pipedrive = PipedriveSettings(
            api_token=SecretStr(env["PIPEDRIVE_API_TOKEN"]),
            company_domains=env["PIPEDRIVE_COMPANY_DOMAIN"],
            base_url=at["pipedrive"],
            hash_key=KEY,
            fields=PipedriveFields(stage="Lifecycle stage"),
        )
        read_into(other, of_pipedrive, pipedrive.STREAMS)
    built(one, {"crm": {"stages": [{"value": "84210011", "stage": "sal"}]}})
    stages = [{"crm": "pipedrive", "value": stage, "stage": stage} for stage in LIFECYCLE]
    built(other, {"crm": {"stages": [*stages, {"crm": "pipedrive", "value": "customer", "stage": "won"}]}})

    def facts(house: House, prefix: str) -> dict[str, list[tuple[Any, ...]]]:
        names = {
            "people": {f"{prefix}{contact.id}": contact.id for contact in company.contacts},
            "deals": {f"{prefix}{deal.id}": deal.id for deal in company.deals},
        }
        return funnel_facts(house, names, without={"fct_opportunities": ("stage",)}, whole_seconds=True)

    expected, seen = facts(one, "hubspot:"), facts(other, "pipedrive:kontorra:")
    for mart, rows in expected.items():
        assert len(rows) > 200, mart
        assert seen[mart] == rows, mart
