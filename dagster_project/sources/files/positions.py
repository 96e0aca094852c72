"""Where the columns that a mapping names stand in a file whose header is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dagster_project.sources.files.drops import DropFile, drift
from dagster_project.sources.files.headers import header_name
from dagster_project.sources.files.mappings import FileMapping, Name, nearest


def positions_of(names: Iterable[Name], header: Sequence[str], mapping: FileMapping, file: DropFile) -> dict[Name, int]:
    """Where the columns `names` stand in the header. Raises DriftError for one that is not there, or is there twice."""
    positions: dict[Name, int] = {}
    for name in mapping.present(names, header):
        if isinstance(name, int):
            if name > len(header):
                raise drift(mapping, file, f"there is no column {name}: its header has {len(header)} columns")
            positions[name] = name - 1
            continue
        theirs = header_name(name)
        if header.count(theirs) > 1:
            places = [str(place) for place, other in enumerate(header, start=1) if other == theirs]
            raise drift(
                mapping,
                file,
                f"the column {name!r} is there {len(places)} times; name the one that is meant by its position: "
                f"{' or '.join(places)}, without quotes",
            )
        if theirs not in header:
            hint = nearest(name, header)
            if len(header) == 1 and re.search(r"[;,\t|]", header[0]):
                hint = f"; its header is one column, {header[0][:60]!r}: set delimiter"
            raise drift(mapping, file, f"there is no column {name!r}{hint}")
        positions[name] = header.index(theirs)
    return positions
