"""Which search queries are for the brand: words of funnelhouse.yml, and the pattern that they make."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, field_validator


class Brand(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    words: tuple[
        str, ...
    ] = ()  # a search query with one of them is one for the brand; `*` at the end = words that begin so

    @field_validator("words")
    @classmethod
    def _have_letters(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if empty := [word for word in words if not _plain_words(word)]:
            raise ValueError(f"{empty[0]!r} has no letter or digit; allowed are words such as kontorra or kontor*")
        return words

    @property
    def pattern(self) -> str | None:
        """A regular expression for queries in the form of dbt's macro normalise_answer; None where nobody named a word."""
        each = [_plain_words(word) + (r"\S*" if word.strip().endswith("*") else "") for word in self.words]
        return rf"(^|.* )({'|'.join(each)})( .*|$)" if each else None


def _plain_words(text: str) -> str:
    letters = text.lower().translate(str.maketrans("ёيىك", "еییک"))
    return " ".join(re.split(r"[\W_]+", letters)).strip()
