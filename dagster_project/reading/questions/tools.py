"""The questions that can be asked. One more is one more line: a name, its arguments, a function that answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from pydantic import ValidationError

from dagster_project.kpis import QuestionError
from dagster_project.publish import PublishError
from dagster_project.reading.questions import answers, arguments
from dagster_project.reading.questions.answers import Answer
from dagster_project.reading.questions.looking import look

LARGEST_ANSWER = 400_000  # characters
NOT_BUILT = "The published copy lacks a table that this is answered from: `funnelhouse refresh` builds it"


class BadQuestion(Exception):
    """The question cannot be answered; the message is one sentence that says what can."""


@dataclass(frozen=True)
class Tool:
    """One question. `answer` gets a connection to the published copy, today, and the arguments."""

    name: str
    title: str
    says: str
    arguments: type[arguments.Arguments]
    answer: Callable[..., Answer]


TOOLS = (
    Tool(
        "list_kpis",
        "KPIs",
        "Which KPIs there are: id, formula, unit, cuts, attribution models. Ask it first.",
        arguments.ListKpis,
        answers.list_kpis,
    ),
    Tool(
        "ask_kpi",
        "One KPI",
        "Values of one KPI: the newest periods, or all that touch the days from `first` to `last`; cut by channel, "
        "campaign ..., newest period and largest member first. Each row has what it was before, a year ago and its target.",
        arguments.AskKpi,
        answers.ask_kpi,
    ),
    Tool(
        "explain_value",
        "Why a value is what it is",
        "One value explained: formula, numerator and denominator, its parts by a cut, what moved it against the period before "
        "(`moved_by`: a member's volume, or its rate and its weight (mix)), and which days of which sources it rests on.",
        arguments.ExplainValue,
        answers.explain_value,
    ),
    Tool(
        "compare_periods",
        "What changed between two periods",
        "Two periods of one KPI side by side, and which members of a cut changed most.",
        arguments.ComparePeriods,
        answers.compare_periods,
    ),
    Tool(
        "source_state",
        "State of the sources",
        "Each stream that is read: how far it reaches, when it was read last, until when it is final, days that are missing.",
        arguments.SourceState,
        answers.source_state,
    ),
)  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}


def answer(published: Path, today: date, name: str, given: Mapping[str, Any]) -> Answer:
    """The answer to one question, from what readers see now. Raises BadQuestion, with a sentence for people."""
    tool = BY_NAME.get(name)
    if tool is None:
        raise BadQuestion(f"There is no such question. Questions: {', '.join(BY_NAME)}")
    try:
        asked = tool.arguments.model_validate(dict(given))
    except ValidationError as error:
        raise BadQuestion(arguments.said_of(error, tool.arguments)) from None
    try:
        with look(published) as connection:
            found = tool.answer(connection, today, asked)
    except (QuestionError, PublishError) as error:
        raise BadQuestion(str(error)) from None
    except duckdb.CatalogException:
        raise BadQuestion(NOT_BUILT) from None
    if len(json.dumps(found, ensure_ascii=False)) > LARGEST_ANSWER:
        raise BadQuestion("The answer is too long to be read: ask for fewer rows, one member or a coarser grain")
    return found
