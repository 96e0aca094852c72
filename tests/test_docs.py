"""README, .env.example and funnelhouse.yml say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dagster_project import kpis
from dagster_project.cli import app
from dagster_project.connectors import SOURCES, all_streams, file_streams
from dagster_project.settings import (
    Config,
    Ga4Settings,
    GoogleAdsSettings,
    HubspotSettings,
    load_rules,
    load_settings,
    variable_names,
)

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (PROJECT / ".env.example").read_text(encoding="utf-8")


def test_every_variable_is_documented_and_no_other() -> None:
    named = r"\b(?:FUNNELHOUSE|GA4|HUBSPOT|GOOGLE_ADS|GOOGLE_OAUTH|FX)_[A-Z_]+\b"
    assert set(re.findall(named, ENV_EXAMPLE)) == variable_names()
    in_readme = set(re.findall(r"`(" + named + r")", README))
    assert in_readme == variable_names()


def test_required_variables_are_those_that_the_readme_names() -> None:
    for source, kind in (("ga4", Ga4Settings), ("hubspot", HubspotSettings), ("google_ads", GoogleAdsSettings)):
        row = next(line for line in README.splitlines() if line.startswith(f"| {source} |"))
        required = {f.alias for f in kind.model_fields.values() if f.alias and f.is_required()}
        assert set(re.findall(r"`([A-Z0-9_]+)`", row.split("|")[2])) == required


def test_the_example_environment_switches_nothing_on(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ENV_EXAMPLE)
    from dotenv import dotenv_values

    values = {k: v for k, v in dotenv_values(tmp_path / ".env").items() if v}
    settings = load_settings(values, folder=tmp_path)
    assert (settings.ga4, settings.hubspot, settings.google_ads) == (None, None, None)


def test_the_shipped_rules_are_the_defaults_and_show_every_key() -> None:
    assert load_rules({}, folder=PROJECT) == Config()
    shown = set(yaml.safe_load((PROJECT / "funnelhouse.yml").read_text(encoding="utf-8")))
    assert shown == set(Config.model_fields)


def test_the_readme_lists_every_column_of_every_stream_of_files() -> None:
    """After a change of FILE_STREAMS: python -m dagster_project.connectors.file_streams prints the table."""
    assert file_streams.as_markdown() in README
    for stream in file_streams.FILE_STREAMS.values():
        [row] = [line for line in README.splitlines() if line.startswith(f"| `{stream.name}` | ")]
        named = set(re.findall(r"[a-z_]+", re.sub(r" \([^)]*\)", "", row.split("|")[2])))
        assert named == set(stream.mappable)


def test_every_command_in_the_readme_exists() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    used = set(re.findall(r"funnelhouse (doctor|refresh|backfill|verify|show|explain|demo|sandbox|ui)\b", README))
    assert used <= commands
    assert set(re.findall(r"(?:`|\$ )make (\w+)", README)) <= set(
        re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.M)
    )


def test_every_mart_and_kpi_table_is_in_the_readme() -> None:
    tables = {f"marts.{p.stem}" for p in (PROJECT / "dbt_project/models/marts").glob("*.sql")}
    tables |= {f"marts.{p.stem}" for p in (PROJECT / "dbt_project/models/marts").glob("*.py")}
    shown = set(re.findall(r"`((?:marts|kpi)\.\w+)`", README))
    listed = " ".join(line for line in README.splitlines() if line.startswith("| `"))
    missing = [t for t in tables if t not in shown and f"`{t.removeprefix('marts.')}`" not in listed]
    assert missing == []
    for table in kpis.TABLES:
        assert table in listed or f"`_{table.rpartition('_')[2]}`" in listed


@pytest.mark.parametrize(
    ("row", "streams"),
    [
        ("GA4", ["ga4/traffic", "ga4/key_events", "ga4/visitors_month", "ga4/sessions"]),
        ("Google Ads", ["google_ads/campaign_performance", "google_ads/ad_performance"]),
        ("HubSpot", ["hubspot/contacts", "hubspot/deals"]),
        ("exchange rates", ["fx/rates"]),
    ],
)
def test_the_nights_of_the_readme_are_those_of_the_streams(row: str, streams: list[str]) -> None:
    [line] = [line for line in README.splitlines() if re.match(rf"\| {row} \| \d", line)]
    nightly, deep = (int(re.findall(r"\d+", cell)[0]) for cell in line.split("|")[2:4])
    known = {stream.id: stream for group in all_streams().values() for stream in group}
    assert {(known[name].restate_days, known[name].deep_restate_days) for name in streams} == {(nightly, deep)}


@pytest.mark.parametrize("source", list(SOURCES))
def test_every_source_is_in_the_readme(source: str) -> None:
    assert source in ("config",) or re.search(rf"^\| .*\b{source}\b", README, re.M)


def test_every_model_is_described_with_its_grain_and_all_its_columns() -> None:
    documented: dict[str, dict[str, object]] = {}
    for path in (PROJECT / "dbt_project/models").rglob("*.yml"):
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models", []):
            documented[model["name"]] = model
    models = [p for p in (PROJECT / "dbt_project/models").rglob("*") if p.suffix in (".sql", ".py")]
    silent = [
        p.stem for p in models if not str(documented.get(p.stem, {}).get("description", "")).startswith("Grain: ")
    ]
    assert silent == []
    undescribed = [
        f"{name}.{column['name']}"
        for name, model in documented.items()
        for column in model.get("columns", [])  # type: ignore[attr-defined]
        if not column.get("description")
    ]
    assert undescribed == []
