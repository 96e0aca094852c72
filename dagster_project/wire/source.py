"""What a source says of itself: from this one declaration come its settings, its documents, and what `doctor` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dagster_project.wire.contract import Stream
from dagster_project.wire.variables import SourceSettings, Variable, named, variables_of


@dataclass(frozen=True)
class OwnRules:
    """The part of funnelhouse.yml that is a source's own, and that the source checks.

    `key`: where it stands, such as `sources.hubspot`. `kind`: the type of its value; `default` where it is not there.
    """

    key: str
    kind: Any
    default: Any


class StageMeaning(NamedTuple):
    """A value of a CRM that means a stage of the funnel wherever nobody says otherwise (`crm.stages`)."""

    value: str
    stage: str
    object: str = "contact"
    pipeline: str | None = None


@dataclass(frozen=True)
class Source:
    """One source: a folder of `sources/` whose `__init__.py` has this as `SOURCE`.

    * `name`: the folder's name, which is also that of `--source` and of dbt's source `raw_<name>`.
    * `gives`: what it gives, in the README's words.
    * `settings`: its variables; those without a default switch it on.
    * `creates`, `least_right`: what a person creates at the vendor, and the least right that it needs.
    * `about`, `columns`: what it and its columns hold, for dbt's `_sources.yml`, which is generated: a text by column, or by
      `stream.column` where one stream means something else by it.
    * `switch`: how it is switched on where no variable does; `{stream}` is the stream that is wanted.
    * `rules`: its part of funnelhouse.yml.
    * `stages`: of a CRM: which of its values mean which stage of the funnel before anybody says so.
    * `is_local`: nobody answers, all is read before the first page: its time limit is that of a listing.
    * `dear`: streams for which even a small question takes many calls; `doctor` leaves them out.
    """

    name: str
    title: str
    gives: str
    settings: type[SourceSettings]
    streams: tuple[Stream, ...]
    creates: str = ""
    least_right: str = ""
    about: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    switch: str = ""
    rules: OwnRules | None = None
    stages: tuple[StageMeaning, ...] = ()
    is_local: bool = False
    dear: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(variables_of(self.settings)))
        if foreign := [stream.id for stream in self.streams if stream.source != self.name]:
            raise ValueError(f"source {self.name}: its stream {foreign[0]} says that it is another source's")

    @property
    def is_crm(self) -> bool:
        return any(stream.domain == "crm" for stream in self.streams)

    @property
    def required(self) -> list[str]:
        """The variables that switch it on."""
        return named(v for v in self.variables if v.is_required)

    def switched_on_by(self, stream: str = "…") -> str:
        """What a person sets to have it, or to have this stream of it."""
        return " and ".join(self.required) or self.switch.format(stream=stream)
