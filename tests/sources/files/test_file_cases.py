"""The small inputs of shared/cases, each read by its own funnelhouse.yml: the rows that come out are the right ones."""

from __future__ import annotations

import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.settings import Settings, load_settings
from dagster_project.sources import files, ga4_export
from dagster_project.wire import Tally
from tests.support.case_expectations import EXPECTED, OF_CHANNELS, WHAT_HAPPENS, Expected
from tests.support.what_happens import happens


@pytest.fixture
def cases(shared_dir: Path) -> Path:
    folder = shared_dir / "cases"
    if not folder.is_dir():
        pytest.skip("no cases in the folder shared/")
    return folder


def settings_of(case: Path, home: Path, expected: Expected) -> Settings:
    """The settings of a copy of the case with the changes of the table."""
    folder = home / "case"
    shutil.copytree(case, folder)
    rules = yaml.safe_load((folder / "funnelhouse.yml").read_text(encoding="utf-8"))
    for key, value in expected.rules.items():
        rules[key] = {**rules.get(key, {}), **value}
    for entry in rules["files"]:
        if entry["stream"] == expected.stream:
            entry.update(expected.change)
    (folder / "funnelhouse.yml").write_text(yaml.safe_dump(rules, allow_unicode=True), encoding="utf-8")
    return load_settings(
        {"FUNNELHOUSE_HOME": str(home / "home"), "FUNNELHOUSE_CONFIG": str(folder / "funnelhouse.yml")}
    )


def swept(settings: Settings, stream: str) -> tuple[list[dict[str, Any]], Tally]:
    tally = Tally()
    if stream == "ga4_export":
        pages = ga4_export.STREAMS[0].sweep(settings.of("ga4_export"), tally)
    else:
        pages = next(each for each in files.STREAMS if each.name == stream).sweep(settings.of("files"), tally)
    return [row for page in pages for row in page.rows.to_pylist()], tally


def as_written(value: Any) -> Any:
    """A value as the table of expectations writes it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    if isinstance(value, date | str | list) or value is None:
        return str(value) if isinstance(value, date) else value
    return f"{Decimal(str(value)).normalize():f}"


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(e, id="-".join((e.case, e.stream, *e.change)), marks=happens(*WHAT_HAPPENS[e.case]))
        for e in EXPECTED
    ],
)
def test_a_case_gives_the_right_rows(cases: Path, tmp_path: Path, expected: Expected) -> None:
    found, tally = swept(settings_of(cases / expected.case, tmp_path, expected), expected.stream)
    told = [*tally.bad_rows, *tally.bad_cells, *tally.notes]
    rows = [{name: as_written(row[name]) for name in expected.rows[0]} for row in found]
    assert sorted(rows, key=str) == sorted(expected.rows, key=str), told
    assert tally.bad_row_count == expected.bad_rows, told
    assert expected.says in " ".join(told)
    for name in expected.same_person:
        assert len({row[name] for row in found}) == 1
        assert found[0][name]


def test_every_case_has_its_right_value(cases: Path) -> None:
    known = {expected.case for expected in EXPECTED} | set(OF_CHANNELS)
    assert known == {folder.name for folder in cases.iterdir() if folder.is_dir()}
