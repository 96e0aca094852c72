"""Answers to surveys in files: a row for each respondent or for each answer; what was said only where a question is named."""

from __future__ import annotations

from pathlib import Path

from dagster_project.sources.files import STREAMS
from dagster_project.wire import Tally
from tests.support.dropped_files import settings

WIDE = """#,Submit Date,How likely are you to recommend us?,Which shops do you know?,Anything else?
1,2026-03-01 23:30,10,Kontorra; Till & Co,call me on +49 30 1234567
2,2026-03-02,,"Till & Co, ask ann@example.com",
3,2026-03-02 09:00,many,,
"""


def of_question(question: str, kind: str, column: str) -> dict[str, object]:
    return {
        "name": "spring", "stream": "survey_answers", "path": "spring.csv",
        "columns": {"response_id": "#", "answered_at": "Submit Date", kind: column}, "constants": {"question_id": question},
    }  # fmt: skip


def test_each_question_of_a_file_by_respondent_is_an_entry(tmp_path: Path) -> None:
    (tmp_path / "spring.csv").write_text(WIDE)
    mappings = [
        of_question("nps-main", "answer_number", "How likely are you to recommend us?"),
        of_question("Shops", "answer_text", "Which shops do you know?"),
        of_question("rest", "answer_text", "Anything else?"),
    ]
    stream, tally = next(s for s in STREAMS if s.name == "survey_answers"), Tally()
    of_files = settings(tmp_path, *mappings, time_zone="Europe/Berlin").model_copy(
        update={"read_texts": frozenset(["nps-main", "shops"])}
    )
    rows = [row for page in stream.sweep(of_files, tally) for row in page.rows.to_pylist()]
    said = {(r["response_id"], r["question_id"]): (r["answer_number"], r["answer_text"]) for r in rows}
    assert len(said) == len(rows)
    assert said[("1", "nps-main")] == (10.0, None)
    assert said[("2", "nps-main")] == (None, None)
    assert said[("1", "Shops")] == (None, "Kontorra; Till & Co")
    assert said[("2", "Shops")][1].startswith("Till & Co, ask")
    assert "@" not in said[("2", "Shops")][1]
    assert said[("1", "rest")] == (None, None)  # nobody has named the question: what was typed is not kept
    days = {r["response_id"]: (r["answered_at"].isoformat(), r["answered_at_is_day"]) for r in rows}
    assert days["1"] == ("2026-03-01T22:30:00+00:00", False)
    assert days["2"] == ("2026-03-01T23:00:00+00:00", True)
    assert {r["account_id"] for r in rows} == {"spring"}
    assert "many" in str(tally.bad_cells)  # a number that is none costs the cell, and is told
