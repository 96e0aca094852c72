"""A table in the test output: input, and what happens. Each row stands on a test, and says so where that test fails.

    @pytest.mark.happens("an empty 200", "asked again; after six attempts one error")

A test may have several, and a parameter its own (`pytest.param(…, marks=happens(…))`).
"""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

happens = pytest.mark.happens
_WIDTHS = (52, 84)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "happens(input, what): a row of the table that is printed after the tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("happens"):
            item.user_properties.append(("happens", list(marker.args)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows: dict[tuple[str, str], bool] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "happens" and (outcome != "passed" or report.when == "call"):
                    row = (str(value[0]), str(value[1]))
                    rows[row] = rows.get(row, True) and outcome == "passed"
    if not rows:
        return
    terminalreporter.section("input x what happens")
    for (given, what), is_proven in sorted(rows.items()):
        left = textwrap.wrap(given, _WIDTHS[0])
        right = textwrap.wrap(what if is_proven else f"NOT SO, ITS TEST FAILED: {what}", _WIDTHS[1])
        for i in range(max(len(left), len(right))):
            cells = [lines[i] if i < len(lines) else "" for lines in (left, right)]
            terminalreporter.write_line(f"{cells[0]:<{_WIDTHS[0]}}  {cells[1]}".rstrip())
