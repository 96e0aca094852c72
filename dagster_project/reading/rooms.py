"""The house drawn by its imports: which room enters which, for docs/contributing.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def imports(path: Path) -> Iterator[str]:
    """Modules imported at run time; imports for type checkers alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> Iterator[tuple[str, Path]]:
    """(room, file): a room is a folder of dagster_project, or a module beside them."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def entered() -> dict[str, set[str]]:
    """Room -> the rooms that it imports from. `endpoints` are the sources' own sandboxes, which the house does not enter."""
    rooms = {room for room, _ in modules()} - {"__init__"}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for room, path in modules():
        here = "endpoints" if room == "sources" and is_endpoint(path) else room
        to = {name.split(".")[1] for name in imports(path) if name.startswith(f"{PACKAGE.name}.")}
        found.setdefault(here, set()).update(to & rooms - {room})
    del found["__init__"]
    return found


def is_endpoint(path: Path) -> bool:
    """Whether a file of sources/ is the endpoint that plays its vendor."""
    return path.relative_to(PACKAGE / "sources").with_suffix("").parts[1:2] == ("sandbox",)


def heights(rooms: dict[str, set[str]]) -> dict[str, int]:
    """Room -> 0 where it enters none, else one more than the highest that it enters. Raises ValueError for a circle."""
    found: dict[str, int] = {}
    while len(found) < len(rooms):
        free = [room for room, to in rooms.items() if room not in found and to <= found.keys()]
        if not free:
            raise ValueError(f"these rooms enter each other in a circle: {', '.join(sorted(rooms.keys() - found))}")
        found |= {room: 1 + max((found[other] for other in rooms[room]), default=-1) for room in free}
    return found


def drawing() -> str:
    """Mermaid for the arrows, but those that follow from others; then all of them by room, the highest first."""
    rooms = entered()
    height = heights(rooms)
    order = sorted(rooms, key=lambda room: (-height[room], room))
    lines = ["```mermaid", "graph TD"]
    for room in order:
        lines += [f"  {room} --> {other}" for other in order if other in rooms[room] - _through_others(rooms, room)]
    lines += ["```", "", "| room | enters | is entered by |", "|---|---|---|"]
    for room in order:
        by = [other for other in order if room in rooms[other]]
        lines.append(f"| `{room}` | {', '.join(sorted(rooms[room])) or '-'} | {', '.join(sorted(by)) or '-'} |")
    return "\n".join(lines)


def _through_others(rooms: dict[str, set[str]], room: str) -> set[str]:
    found: set[str] = set()
    waiting = [further for other in rooms[room] for further in rooms[other]]
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += rooms[other]
    return found
