"""How a command ends before its end: with a message for the person and an exit code, never with a traceback."""

from __future__ import annotations


class Stop(Exception):
    """A message for the person, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Told(Stop):
    """The run was told to stop. No KeyboardInterrupt: click would make an "Aborted!" and exit code 1 of it."""
