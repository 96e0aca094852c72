"""How much memory DuckDB may take: the setting, what is allowed, and the default of this machine.

DuckDB's limit covers its own buffers, not Python, Arrow and the operating system beside them, so the default leaves these
two fifths. DuckDB's own default is four fifths of the machine, and the system ends such a build beside a second one.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

VARIABLE = "FUNNELHOUSE_MEMORY_LIMIT"
DEFAULT_SHARE = 0.6
SMALLEST = 512 * 1000**2  # below it even a small build fails
ALLOWED = "allowed is an amount of memory such as 8GB or 6GiB, from 512MB to what the machine has"
_UNITS = {
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", start=1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGT", start=1)},
}
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_limit(text: str | None) -> str:
    """DuckDB's `memory_limit` for a setting's text; without one the default of this machine.

    Raises ValueError that says what is allowed.
    """
    memory = _memory_of_the_machine()
    if not text:
        return f"{max(SMALLEST, int(memory * DEFAULT_SHARE)) // 1000**2}MB"
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([KMGT]i?B)", text.strip(), re.IGNORECASE)
    unit = next((size for name, size in _UNITS.items() if found and name.lower() == found[2].lower()), 0)
    wanted = float(found[1]) * unit if found else 0
    if not SMALLEST <= wanted <= memory:
        raise ValueError(f"{VARIABLE}={text!r}: {ALLOWED} ({memory / 1000**3:.1f}GB)")
    return f"{int(wanted) // 1000**2}MB"


def _memory_of_the_machine() -> int:
    """Bytes that this process may take at most: those of its container where it runs in one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _CGROUPS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            return min(memory, int(file.read_text()))
    return memory
