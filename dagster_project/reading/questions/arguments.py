"""What may be asked, as typed arguments; and what is wrong with others, in one sentence."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LONGEST = 300  # characters of an argument: names are longer nowhere but in an attack
MOST_ROWS = 200

_PERIOD = (
    "2026-09-14 (day), 2026-W38 (week), 2026-09 (month), 2026-Q3 (quarter; FY2026-Q3: fiscal) or 2026 (fiscal year)"
)
_CUT = "What it is cut by: one of the KPI's cuts, such as channel; total is the whole."
_MODEL = "Attribution model, where the KPI has one in this cut; left out: the one that the company looks at."
_KPI = "Id of a KPI, as list_kpis gives it, such as cpl."


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", str_max_length=LONGEST, str_strip_whitespace=False)


class NoArguments(Arguments):
    pass


class ListKpis(Arguments):
    about: str | None = Field(None, description="Only KPIs whose id, name, description or owner has this text.")


class AskKpi(Arguments):
    kpi: str = Field(description=_KPI)
    first: str | None = Field(None, description=f"First period: {_PERIOD}; left out: the newest periods.")
    last: str | None = Field(None, description="Last period, inclusive, in the same form.")
    grain: str | None = Field(
        None, description="day, week, month, quarter or year; left out: that of `first`, else the KPI's own."
    )
    cut: str = Field("total", description=_CUT)
    member: str | None = Field(None, description="Only this member of the cut, spelt as an answer has it.")
    model: str | None = Field(None, description=_MODEL)
    most_rows: int = Field(50, ge=1, le=MOST_ROWS, description="No more rows than this.")


class ExplainValue(Arguments):
    kpi: str = Field(description=_KPI)
    period: str = Field(description=_PERIOD)
    cut: str = Field("total", description=f"{_CUT} Its members are then the parts.")
    model: str | None = Field(None, description=_MODEL)


class ComparePeriods(Arguments):
    kpi: str = Field(description=_KPI)
    before: str = Field(description=f"The period to compare with: {_PERIOD}.")
    after: str = Field(description="The period that is looked at, of the same length.")
    cut: str = Field("total", description=f"{_CUT} Its members show where the change came from.")
    model: str | None = Field(None, description=_MODEL)


class SourceState(Arguments):
    source: str | None = Field(None, description="Only this source, such as one that an explanation names.")


def said_of(error: ValidationError, model: type[Arguments]) -> str:
    """One sentence: the argument, what is wrong with it, and which there are. What was given is not repeated."""
    problems = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part)[:40] for part in problem["loc"]) or "arguments"
        problems.append(f"{name!r}: {_WORDS.get(problem['type'], problem['msg'])}")
    return f"These arguments cannot be used: {'; '.join(problems[:3])}. There are: {_arguments_of(model)}."


_WORDS = {
    "extra_forbidden": "there is no such argument",
    "missing": "is needed",
    "string_type": "must be text",
    "string_too_long": f"is longer than {LONGEST} characters",
}


def _arguments_of(model: type[Arguments]) -> str:
    names = [f"{name} (needed)" if field.is_required() else name for name, field in model.model_fields.items()]
    return ", ".join(names) or "none"


def schema_of(model: type[Arguments]) -> dict[str, Any]:
    """As the protocol's clients read it."""
    return {"properties": {}, **model.model_json_schema()}
