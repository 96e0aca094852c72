"""Redaction by column finds all that redaction text by text would change."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagster_project.sources import ga4
from dagster_project.sources.ga4.report import REDACTED, _redacted
from dagster_project.sources.ga4.settings import Ga4Settings
from dagster_project.wire import Window
from dagster_project.wire.contract import whole_periods
from dagster_project.wire.identity import MAY_BE_PERSONAL, redact_url

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


@pytest.mark.parametrize(("year_start", "time"), [(1, "year"), (4, "dateRange")])
def test_visitors_of_a_fiscal_year_are_asked_by_its_dates(year_start: int, time: str) -> None:
    """GA4's own dimension `year` is the calendar's."""
    ga4_settings = Ga4Settings(property_ids="1", credentials_file="key.json", year_start=year_start)
    assert {question.time for question in ga4.questions("visitors_year", ga4_settings)} == {time}
    (period,) = whole_periods(Window.of_day(date(2026, 5, 31)), "year", 0, year_start)
    assert period.start == date(2026, year_start, 1)
    (period,) = whole_periods(Window.of_day(date(2026, 2, 1)), "quarter", 0, 2)
    assert (period.start, period.last) == (date(2026, 2, 1), date(2026, 4, 30))
