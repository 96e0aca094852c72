"""What moved a KPI against the period before, in words: the change, its largest drivers, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster_project.reading import style

MOST = 5
SAYS = {
    "volume": "{member}",
    "rate": "{member}, by its own value ({before} to {after})",
    "mix": "{member}, by its weight in the whole",
    "alone": "{member}, which has nothing to divide by",
    "elsewhere": "in no single member",
}


def in_words(kpi: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], grain: str, by: str) -> list[str]:
    """`rows` as of kpi.fct_kpi_drivers, the largest first, all of one KPI, period and cut; nothing where there are none.

    The parts that are shown and the last line add up to the change.
    """
    if not rows:
        return []
    unit, currency = kpi["unit"], kpi["currency_code"] or ""

    def amount(value: float) -> str:
        if unit in ("rate", "percent"):
            return f"{value * 100:+.1f} pp"
        return f"{'+' if value >= 0 else '-'}{style.with_unit(abs(value), unit, currency)}"

    def level(value: float | None) -> str:
        return "none" if value is None else style.with_unit(value, unit, currency)

    first = rows[0]
    whole = first["total_after"] - first["total_before"]
    verb = "rose" if whole > 0 else "fell" if whole < 0 else "stayed"
    before = style.period(first["compared_with"], grain)
    lines = [
        f"{kpi['name']} {verb} from {level(first['total_before'])} in {before} to {level(first['total_after'])} "
        f"({amount(whole)}). By {by.replace('_', ' ')}:"
    ]
    shown = rows[: len(rows) if len(rows) == MOST + 1 else MOST]
    for row in shown:
        said = SAYS[row["effect"]].format(
            member=row["member"], before=level(row["value_before"]), after=level(row["value_after"])
        )
        lines.append(f"  {amount(row['contribution'])} {said}")
    if rest := rows[len(shown) :]:
        lines.append(f"  {amount(sum(row['contribution'] for row in rest))} {len(rest)} smaller parts")
    if not all(row["is_final"] for row in rows):
        lines.append("  Not final: a source may still restate one of the periods.")
    if flags := sorted({flag for row in rows for flag in style.flags(row["quality"])}):
        lines.append(f"  Quality: {', '.join(flags)}.")
    return lines
