"""Habits that keep the dbt project's SQL readable for another engine than DuckDB: what a search of the text can find.

Words of one engine stand in the `duckdb__` and `spark__` macros alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.house import DBT_PROJECT

ENGINE_MACRO = re.compile(r"{%-? macro (?:duckdb|spark)__.*?{%-? endmacro -?%}", re.S)
COMMENT = re.compile(r"{#.*?#}|--[^\n]*", re.S)
HABITS = {
    r"\bvarchar\b": "string, never varchar",
    r"\btimestamptz\b|\btimestamp with time zone\b": "the type of a moment is moment_type()",
    r"\bas timestamp\b": "the type of a wall-clock time is wall_clock_type()",
    r"\bregexp_\w+\(|\bsimilar to\b|\brlike\b": "regular expressions by full_match, replace_matches, find_match",
    r"\[\[:": "no POSIX classes: silently another set in Java",
    r"\bstrpos\(": "instr, never strpos",
    r"[\w)]\[[1-9]\d*\]": "no list[n]: another engine counts from 0",
    r"[\w)]::\w": "cast(x as type), never x::type",
    r"/ *\d+\.\d+(?![\de])|\d\.\d+ */": "e0 on fractional literals under /: else decimals, rounded in another way",
    r"\b(?:epoch|epoch_us|epoch_ms|arg_min|arg_max|string_agg|unnest|generate_series|strftime|strptime|to_days|to_hours)\(": (
        "a word of DuckDB outside the engine macros"
    ),
    r"(?<![\w.])hash\(|\btimezone\(|\bat time zone\b|\bread_parquet\(|\basof\b|\bby name\b|\bhugeint\b": (
        "a word of DuckDB outside the engine macros"
    ),
    r"\bescape '\\'": "escape '!': a backslash is an escape of literals elsewhere",
    r"row_number\(\) over \(\)": "every row_number has an order",
}


def broken(text: str) -> list[str]:
    """The habits that a file of SQL breaks."""
    plain = COMMENT.sub("", ENGINE_MACRO.sub("", text)).lower()
    return sorted({what for pattern, what in HABITS.items() if re.search(pattern, plain)})


def sql_files() -> list[Path]:
    return [path for folder in ("models", "macros", "tests") for path in sorted((DBT_PROJECT / folder).rglob("*.sql"))]


def test_all_sql_keeps_the_habits() -> None:
    wrong = {str(path.relative_to(DBT_PROJECT)): broken(path.read_text()) for path in sql_files()}
    assert len(wrong) > 100
    assert {name: habits for name, habits in wrong.items() if habits} == {}


@pytest.mark.parametrize(
    "sql",
    [
        "select cast(null as varchar) as a",
        "select cast(null as timestamptz) as a",
        "select cast(a as timestamp) as a",
        "select regexp_replace(a, 'b', '') as a",
        "{{ full_match('a', \"'[[:alnum:]]+'\") }}",
        "select strpos(a, 'b') as a",
        "select parts[1] as a",
        "select a::date as a",
        "select seconds / 86400.0 as days",
        "select arg_min(a, b) as a",
        "select hash(a) as a",
        "select timezone('UTC', a) as a",
        "where a like '%b' escape '\\'",
        "select row_number() over () as a",
    ],
)
def test_each_habit_is_looked_for(sql: str) -> None:
    assert broken(sql) != []


def test_the_engine_macros_may_say_it() -> None:
    assert broken("{% macro duckdb__latest(value, by) -%}\narg_max({{ value }}, {{ by }})\n{%- endmacro %}") == []
    assert broken("-- not varchar\nselect 1.0e0 / a as b {# strpos( #}") == []
