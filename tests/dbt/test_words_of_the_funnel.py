"""The lists that both halves of the project need: funnelhouse.yml is checked by one, the SQL is made from the other."""

from __future__ import annotations

import ast
import itertools
import re
from typing import get_args

import pytest

from dagster_project.kpis.manifest import ALLOWED
from dagster_project.kpis.periods import GRAINS
from dagster_project.rules.kinds import Conversion, Grain, Model, Stage, Transition
from dagster_project.wire.contract import PERIODS
from tests.support.house import DBT_PROJECT

MACROS = "\n".join(path.read_text(encoding="utf-8") for path in (DBT_PROJECT / "macros").glob("*.sql"))


def listed(macro: str) -> list[str]:
    """The list that a macro returns."""
    found = re.search(rf"macro {macro}\(\) -%}}\s*{{{{ return\((\[.*?\])\) }}}}", MACROS, re.S)
    assert found, f"no macro {macro}() that returns a list"
    return ast.literal_eval(found[1])


@pytest.mark.parametrize(
    ("macro", "ours"),
    [
        ("funnel_stages", [stage for stage in get_args(Stage) if stage != "lost"]),
        ("conversion_types", list(get_args(Conversion))),
        ("attribution_models", list(get_args(Model))),
    ],
)
def test_a_list_of_the_sql_is_the_one_of_the_rules(macro: str, ours: list[str]) -> None:
    assert listed(macro) == ours


def test_conversions_that_are_stages_and_transitions_follow_from_the_stages() -> None:
    stages = listed("funnel_stages")
    assert [kind for kind in listed("conversion_types") if kind in stages and kind != "opportunity"] == listed(
        "conversion_stages"
    )
    assert list(get_args(Transition)) == [f"{one}>{next_}" for one, next_ in itertools.pairwise(stages)]


def test_there_is_one_list_of_grains() -> None:
    assert get_args(Grain) == PERIODS == tuple(GRAINS) == ALLOWED["grain"]


def test_no_model_spells_out_a_list_that_a_macro_has() -> None:
    lists = [re.escape(", ".join(f"'{word}'" for word in listed(m))) for m in ("funnel_stages", "conversion_types")]
    models = [p for p in (DBT_PROJECT / "models").rglob("*.sql") if re.search("|".join(lists), p.read_text())]
    assert models == []
