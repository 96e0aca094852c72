"""Surveys: which question asks what. No tool's words: a question is known by its id, its reference or its text."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

QuestionKind = Literal["nps", "awareness_unaided", "awareness_aided", "loyalty", "heard_from"]


class SurveyQuestion(BaseModel):
    """`form`: only there; None = wherever the question stands. `scale`: lowest and highest answer of a loyalty item."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    kind: QuestionKind
    form: str | None = None
    scale: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _has_a_scale(self) -> SurveyQuestion:
        if self.kind == "loyalty" and self.scale is None:
            raise ValueError("a question of the kind loyalty needs its scale, such as [1, 5]")
        if self.scale is not None and (self.kind != "loyalty" or self.scale[0] >= self.scale[1]):
            raise ValueError("scale is for the kind loyalty: the lowest answer, then the highest")
        if not self.question.strip():
            raise ValueError("question is empty; allowed is its id, its reference or its text")
        return self


class Surveys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: tuple[SurveyQuestion, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """The questions that somebody has given a kind, in small letters: of others no text is kept."""
        return frozenset(each.question.strip().lower() for each in self.questions)
