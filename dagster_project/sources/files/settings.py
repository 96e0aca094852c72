"""What the dropped files are read with: the mappings of funnelhouse.yml; they need no variables of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, ClassVar, Self

from pydantic import Field

from dagster_project.channel_names import standard_channels
from dagster_project.sources.files.mappings import FileMapping
from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import Given, SourceSettings

RULES = OwnRules("files", tuple[FileMapping, ...], ())


class FilesSettings(SourceSettings):
    """The file drops of funnelhouse.yml; paths are relative to that file."""

    stages_stand_in: ClassVar[str] = "columns of the leads file"

    mappings: tuple[FileMapping, ...]
    base_folder: str
    reporting_time_zone: str = "UTC"
    channels: tuple[str, ...] = Field(default_factory=standard_channels)  # that a file may name
    read_texts: frozenset[str] = frozenset()  # questions of which what was said is kept, in small letters

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any] | None:
        mappings = tuple(m.with_variables(given.environment) for m in given.rules.own(RULES.key) if cls.is_of(m))
        if not mappings:
            return None
        return {
            "mappings": mappings,
            "base_folder": str(given.folder),
            "reporting_time_zone": given.rules.reporting.time_zone,
            "channels": given.rules.channels.names,
            "read_texts": given.rules.surveys.named,
        }

    @classmethod
    def is_of(cls, mapping: FileMapping) -> bool:
        """Whether an entry of `files:` is one of this source's."""
        return not mapping.is_export

    def funnel_stages(self) -> Collection[str] | None:
        leads = [mapping for mapping in self.mappings if mapping.stream == "leads"]
        columns = {column for mapping in leads for column in (*mapping.columns, *mapping.constants)}
        if not leads or "stage" in columns:  # any stage may stand there
            return None
        return {column.removesuffix("_at") for column in columns}

    def parts(self, stream: str) -> Iterator[tuple[str, Self]]:
        """One entry of `files:` after the other, each with those of other streams, for `keep_where_in`."""
        for mapping in self.mappings:
            if self.fills(mapping, stream):
                others = tuple(m for m in self.mappings if m.stream != mapping.stream)
                yield mapping.name, self.model_copy(update={"mappings": (mapping, *others)})

    def fills(self, mapping: FileMapping, stream: str) -> bool:
        """Whether an entry has rows of a stream of this source."""
        return mapping.stream == stream
