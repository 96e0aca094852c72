"""`as_shape`: what a source names stands under the shape's columns, the others are null, and a slip of the pen does not compile."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from dagster_project.warehouse.shapes import macros_of

SHAPES = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "shapes.sql"
COLUMNS = {"day": ("date", ""), "network": ("string", ""), "followers": ("bigint", ""), "title": ("string", "")}


class CompilerError(Exception):
    pass


def refuse(message: str) -> None:
    raise CompilerError(message)


def shaped(select: str) -> str:
    macros = macros_of(
        [SHAPES],
        shapes=lambda: {"followers": SimpleNamespace(columns=COLUMNS)},
        shape_type=lambda kind: kind,
        modules=SimpleNamespace(re=re),
        exceptions=SimpleNamespace(raise_compiler_error=refuse),
    )
    return " ".join(macros["as_shape"]("followers", caller=lambda: select).split())


def test_what_is_not_named_is_null_in_the_shapes_type() -> None:
    written = shaped("""
        select
            max(least(cast(x.at as date), date '2026-01-01')) as day, -- the day, not the moment
            case when x.kind in ('a, b', 'from (') then x.network end as network,
            x.title
        from (select 1 as followers) as x
    """)
    assert written.startswith("select given.day, given.network, cast(null as bigint) as followers, given.title from (")


@pytest.mark.parametrize(
    "select", ["select day, folowers from x", "select day, title as day from x", "select x.* from x"]
)
def test_a_column_that_the_shape_does_not_have_does_not_compile(select: str) -> None:
    with pytest.raises(
        CompilerError, match="in the shape followers, or named twice; it has day, network, followers, title"
    ):
        shaped(select)
