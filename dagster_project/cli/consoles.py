"""Where the command line writes: answers on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

WIDTH = None if sys.stdout.isatty() else 130  # a log or a pipe has no width of its own
out, err = Console(highlight=False, width=WIDTH), Console(stderr=True, highlight=False)


def shown(path: Path) -> str:
    """As a person in this folder would type it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
