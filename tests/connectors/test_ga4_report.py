"""Redaction by column finds all that redaction text by text would change."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagster_project.connectors.ga4_report import REDACTED, _redacted
from dagster_project.connectors.identity import MAY_BE_PERSONAL, redact_url

PIECES = st.sampled_from(
    ["/", "?", "&", "#", "=", "email", "EMAIL", "amp;phone", "name", "utm_term", "ann@example.com", "a%40b.de",
     "a%2540b.de", "https://u:p@host", "x", "größe", "%", " ", ";", "+49301234567"]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
@example("/a?b=1&amp;email=x")
@example("/a#phone=123456789")
def test_what_redaction_changes_is_found_beforehand(text: str) -> None:
    if REDACTED in (redact_url(text) or ""):
        assert pc.match_substring_regex(pa.array([text]), MAY_BE_PERSONAL).to_pylist() == [True]
        assert _redacted(pa.array([text, "(not set)"])).to_pylist() == [redact_url(text), "(not set)"]
    else:
        assert _redacted(pa.array([text])).to_pylist() == [text]


@pytest.mark.parametrize("column", [[], ["(not set)", "/p"], ["/p?", "/p?utm_source=a%20b", "50 % off"]])
def test_a_column_without_personal_data_is_left_byte_for_byte(column: list[str]) -> None:
    texts = pa.array(column, pa.string())
    assert _redacted(texts) is texts
