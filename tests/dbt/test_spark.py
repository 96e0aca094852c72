"""The door to Spark stays open: every model, and every test written in SQL, compiles for it and is SQL that it knows.

dbt's adapter for Spark compiles with our `spark__` macros (a missing one fails), sqlglot reads the outcome in Spark's
grammar, and each function and type must be one that Spark has. Nothing is run: that needs Java.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.tokens import TokenType

from tests.support.house import DBT_PROJECT, DbtProject
from tests.support.spark import SparkProject

# What the project uses of Spark's functions (its reference, 4.2); whoever needs another looks it up there. The session
# registers the last one (macros/spark.sql).
FUNCTIONS = """
abs array avg bool_or cast chr coalesce concat concat_ws contains count date_trunc datediff explode extract first_value
floor from_utc_timestamp greatest grouping inline instr lag lead least length listagg lower make_date make_dt_interval
max max_by md5 min min_by named_struct nullif position power regexp_extract regexp_replace replace round row_number
sequence split split_part substr sum to_utc_timestamp translate trim try_cast try_element_at try_parse_json
try_url_decode try_variant_get unix_micros upper weekday weekofyear xxhash64
nfc_normalize
"""
WORDS_BEFORE_BRACKETS = """
all and as between by decimal distinct else except exists filter from group having in intersect join not on or over
select sets then union using values when where with
"""
BEFORE_BRACKETS = {*FUNCTIONS.split(), *WORDS_BEFORE_BRACKETS.split()}
TYPES = "ARRAY BIGINT BOOLEAN DATE DECIMAL DOUBLE INT SMALLINT TEXT TIMESTAMP TIMESTAMPNTZ TIMESTAMPTZ"
# sqlglot reads these in any grammar
PAIRS_OF_DUCKDB = {"asof join", "positional join", "by name", "distinct on"}


def faults(sql: str) -> list[str]:
    """What Spark's grammar refuses, and functions, types and ways of writing that it does not have."""
    try:
        trees = sqlglot.parse(sql, dialect="spark")
    except sqlglot.ParseError as error:
        return [str(error).splitlines()[0]]
    if not all(isinstance(tree, exp.Query) for tree in trees):
        return ["not a query"]
    kinds = {kind for tree in trees for kind in tree.find_all(exp.DataType) if kind.this.name not in TYPES.split()}
    return sorted({f"type {kind.sql()}" for kind in kinds} | set(_faults_of_tokens(sql)))


def _faults_of_tokens(sql: str) -> Iterator[str]:
    tokens = Spark().tokenize(sql)
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        written = sql[token.start : token.end + 1]
        if token.token_type is TokenType.STRING and written[0] == '"':
            yield f"{written} is a text there"
        elif token.token_type is TokenType.STRING and "\\" in written:
            yield f"{written}: a backslash is an escape there"
        elif token.token_type is TokenType.L_BRACKET:
            yield "[ ]: lists are array() and first_of()"
        elif f"{written} {after.text}".lower() in PAIRS_OF_DUCKDB:
            yield f"{written} {after.text}"
        elif after.token_type is TokenType.L_PAREN and token.text.isidentifier():
            names_columns = before is not None and before.token_type is TokenType.ALIAS  # `as days (date_day)`
            if not names_columns and token.text.lower() not in BEFORE_BRACKETS:
                yield f"{written}()"


def test_every_model_compiles_for_spark(dbt_project: DbtProject, tmp_path: Path) -> None:
    sql = SparkProject(dbt_project.parsed(), tmp_path).compiled("resource_type:model", "test_type:singular")
    written = {path.stem for folder in ("models", "tests") for path in (DBT_PROJECT / folder).rglob("*.sql")}
    assert written - {"one_row", "unique_grain"} == set(sql)  # these two are macros of tests
    wrong = {name: faults(text) for name, text in sql.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_missing_macro_is_found(dbt_project: DbtProject, tmp_path: Path) -> None:
    project = SparkProject(dbt_project.parsed(), tmp_path)
    del project.manifest.macros["macro.funnelhouse.spark__day_series"]
    with pytest.raises(AssertionError, match="No macro named 'day_series' found"):
        project.compiled("int_days_listed")


def macros_of(engine: str) -> set[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((DBT_PROJECT / "macros").glob("*.sql")))
    return set(re.findall(rf"macro {engine}__(\w+)", text))


def test_each_macro_of_duckdb_has_its_twin() -> None:
    of_dbt = {"get_assert_columns_equivalent"}  # dbt's own, which ours makes faster for DuckDB
    assert macros_of("duckdb") - of_dbt == macros_of("spark")


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("select string_agg(a, ',') from t", "string_agg()"),
        ("select epoch_us(a) from t", "epoch_us()"),
        ("select regexp_full_match(a, 'b') from t", "regexp_full_match()"),
        ("select arg_min(a, b) from t", "arg_min()"),
        ("select try(a) from t", "try()"),
        ("select left(a, 1) from t", "left()"),
        ("select cast(a as uhugeint) from t", "type UINT128"),
        ("select a from t asof join u on t.b >= u.b", "asof join"),
        ("select * exclude (a) from t", "exclude()"),
        ("select a from t union all by name select a from u", "by name"),
        ("select [a, b] from t", "["),
        ("select a // 2 from t", "Required keyword"),
        ('select "Vendor Column" from t', '"Vendor Column" is a text there'),
        ("select replace(a, '\\d', '') from t", "'\\d': a backslash is an escape there"),
        ("select a from (select b", "Expecting )"),
        ("pragma version", "not a query"),
    ],
)
def test_what_spark_does_not_know_is_found(sql: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(sql)), faults(sql)


def test_what_spark_knows_has_no_fault() -> None:
    sql = r"""
        with days as (select explode(sequence(a, b)) as date_day from t), named as (select 'x [' as a, r'\d' as b)
        select count(*) filter (where a in (1, 2)) as n, cast(max(b) as decimal(18, 3)) as b
        from days inner join (select a from named) as u (date_day) on days.date_day = u.date_day
        group by a having count(*) > 1
    """
    assert faults(sql) == []
