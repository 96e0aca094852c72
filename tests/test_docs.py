"""README, docs/, .env.example and funnelhouse.yml are true to the code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from dagster_project import kpis
from dagster_project.cli import app
from dagster_project.reading.pages import anchor, generated, part_of
from dagster_project.reading.raw_tables import sources_yml
from dagster_project.rules import Config
from dagster_project.settings import load_rules, load_settings, rules_of, variable_names
from dagster_project.sources import all_sources, all_streams
from dagster_project.sources.files import streams as file_streams

PROJECT = Path(__file__).resolve().parents[1]
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
}
README, SOURCES_PAGE, READING_PAGE = PAGES["README.md"], PAGES["sources.md"], PAGES["reading.md"]
ENV_EXAMPLE = (PROJECT / ".env.example").read_text(encoding="utf-8")


def test_every_variable_is_documented_and_no_other() -> None:
    in_example = re.findall(r"^# ([A-Z0-9_]+)=", ENV_EXAMPLE, re.MULTILINE)
    assert sorted(in_example) == sorted(variable_names())  # each once
    prefixes = {name.partition("_")[0] for name in variable_names()}
    named = {
        name for name in re.findall(r"`([A-Z0-9]+_[A-Z0-9_]+)", SOURCES_PAGE) if name.partition("_")[0] in prefixes
    }
    assert named == variable_names()


def test_every_setting_of_a_source_says_what_it_is() -> None:
    silent = [v.name for s in all_sources().values() for v in s.variables if v.is_required and not v.says]
    assert silent == []
    assert [s.name for s in all_sources().values() if s.required and not (s.creates and s.least_right)] == []


def test_the_example_environment_switches_nothing_on(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(ENV_EXAMPLE)
    from dotenv import dotenv_values

    values = {k: v for k, v in dotenv_values(tmp_path / ".env").items() if v}
    settings = load_settings(values, folder=tmp_path)
    assert {name for name, of_source in settings.sources.items() if of_source} == {"config", "fx"}


def test_the_shipped_rules_are_the_defaults_and_show_every_key() -> None:
    assert load_rules({}, folder=PROJECT) == rules_of({})
    shown = set(yaml.safe_load((PROJECT / "funnelhouse.yml").read_text(encoding="utf-8")))
    own = {s.rules.key.partition(".")[0] for s in all_sources().values() if s.rules} - {"sources"}
    assert shown == {*Config.model_fields, *own}


def test_generated_pages_are_up_to_date(semantic_manifest: Path) -> None:
    """After a change of a description, a metric, a stream's columns or a source's settings: `make docs`."""
    stale = [
        path.name
        for path, text in generated(PROJECT / "docs", semantic_manifest).items()
        if path.read_text(encoding="utf-8") != text
    ]
    assert stale == []


def test_what_a_source_says_of_its_columns_is_said_of_columns_that_it_has() -> None:
    unknown = []
    for source in all_sources().values():
        columns = {name for stream in source.streams for name in (*stream.schema.names, "_extracted_at", "day")}
        of_streams = {f"{stream.name}.{name}" for stream in source.streams for name in stream.schema.names}
        unknown += [f"{source.name}: {name}" for name in source.columns if name not in columns | of_streams]
    assert unknown == []


def test_a_column_that_nothing_is_said_of_is_named() -> None:
    source = all_sources()["fx"]
    known = {name: said for name, said in source.columns.items() if name != "rate"}
    with pytest.raises(KeyError, match="fx/rates: nothing says what the column rate holds"):
        sources_yml(replace(source, columns=known))


def test_the_columns_of_the_file_streams_are_those_that_may_be_mapped() -> None:
    listed = part_of(PAGES["files.md"], "columns")
    for stream in file_streams.FILE_STREAMS.values():
        [row] = [line for line in listed.splitlines() if line.startswith(f"| `{stream.name}` | ")]
        named = set(re.findall(r"[a-z_]+", re.sub(r" \([^)]*\)", "", row.split("|")[2])))
        assert named == set(stream.mappable)


def test_the_readme_is_one_page_and_every_link_leads_somewhere() -> None:
    assert len(README.splitlines()) <= 140
    for name, text in PAGES.items():
        folder = PROJECT if name == "README.md" else PROJECT / "docs"
        for address in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if "://" not in address:
                assert (folder / address).exists(), f"{name} links to {address}"
        headings = {anchor(title) for title in re.findall(r"^#+ (.*)$", text, re.M)}
        for address in re.findall(r"\]\(#([^)]+)\)", text):
            assert address in headings, f"{name} links to #{address}"


def test_every_command_in_the_pages_exists() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    text = "\n".join(PAGES.values())
    used = set(re.findall(r"(?:`|\$ |bin/)funnelhouse (\w+)", text))
    assert used <= commands
    assert set(re.findall(r"(?:`|\$ )make (\w+)", text)) <= set(
        re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.M)
    )


def test_every_mart_and_kpi_table_is_in_the_list_of_what_answers_what() -> None:
    tables = {
        f"marts.{p.stem}" for p in (PROJECT / "dbt_project/models/marts").rglob("*") if p.suffix in (".sql", ".py")
    }
    shown = set(re.findall(r"`((?:marts|kpi)\.\w+)`", READING_PAGE))
    listed = " ".join(line for line in READING_PAGE.splitlines() if line.startswith("| `"))
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
def test_the_nights_of_the_page_are_those_of_the_streams(row: str, streams: list[str]) -> None:
    [line] = [line for line in SOURCES_PAGE.splitlines() if re.match(rf"\| {row} \| \d", line)]
    nightly, deep = (int(re.findall(r"\d+", cell)[0]) for cell in line.split("|")[2:4])
    known = {stream.id: stream for group in all_streams().values() for stream in group}
    assert {(known[name].restate_days, known[name].deep_restate_days) for name in streams} == {(nightly, deep)}


@pytest.mark.parametrize("source", list(all_sources()))
def test_every_source_has_a_row(source: str) -> None:
    assert re.search(rf"^\| {source} \|", part_of(SOURCES_PAGE, "sources"), re.M)


def test_every_model_is_described_with_its_grain_and_all_its_columns() -> None:
    documented: dict[str, dict[str, object]] = {}
    for path in (PROJECT / "dbt_project/models").rglob("*.yml"):
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models", []):
            documented[model["name"]] = model
    models = [p for p in (PROJECT / "dbt_project/models").rglob("*") if p.suffix in (".sql", ".py")]
    macros = "\n".join(p.read_text(encoding="utf-8") for p in (PROJECT / "dbt_project/macros").glob("shapes*.sql"))
    shapes = set(re.findall(r"'(\w+)': shape\(\s*\"Grain: ", macros))  # what gives a shape is described by the shape
    silent = [
        p.stem
        for p in models
        if not str(documented.get(p.stem, {}).get("description", "")).startswith("Grain: ")
        and not (p.parent.name == "shapes" and p.stem in shapes)
        and not ("staging" in p.parts and p.stem.partition("__")[0] in shapes)
    ]
    assert silent == []
    undescribed = [
        f"{name}.{column['name']}"
        for name, model in documented.items()
        for column in model.get("columns", [])  # type: ignore[attr-defined]
        if not column.get("description")
    ]
    assert undescribed == []
