"""The questions of surveys as rows: their columns, and what funnelhouse.yml says of each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dagster_project.rules.surveys import Surveys

QUESTIONS = {
    "position": pa.int64(),
    **dict.fromkeys(("question", "form", "kind"), pa.string()),
    **dict.fromkeys(("scale_low", "scale_high"), pa.float64()),
}


def questions(surveys: Surveys) -> list[dict[str, Any]]:
    """Grain: position, from 1: the first that fits a question counts."""
    return [
        {
            "position": position,
            "question": each.question.strip(),
            "form": each.form,
            "kind": each.kind,
            "scale_low": each.scale[0] if each.scale else None,
            "scale_high": each.scale[1] if each.scale else None,
        }
        for position, each in enumerate(surveys.questions, start=1)
    ]
