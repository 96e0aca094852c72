"""The sandbox in a process of its own: what plays the vendors then takes no time from the pipeline that asks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection

from dagster_project.sandbox.company import DEMO_TODAY
from dagster_project.sandbox.server import serve


@contextmanager
def serve_apart(today: date = DEMO_TODAY) -> Iterator[Callable[[], dict[str, str]]]:
    """Start the sandbox and go on at once; what is yielded waits until it answers, and gives its variables.

    It ends with the `with` block, and with this process, however that ends. Raises RuntimeError where it does not start.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_until_left, args=(theirs, today), name="sandbox", daemon=True)
    process.start()
    theirs.close()

    def variables() -> dict[str, str]:
        try:
            return ours.recv()
        except EOFError:
            process.join()
            raise RuntimeError(f"the sandbox did not start (exit code {process.exitcode}); see above") from None

    try:
        yield variables
    finally:
        ours.close()
        process.join()


def _serve_until_left(pipe: Connection, today: date) -> None:
    with serve(today=today) as sandbox:
        pipe.send(sandbox.env)
        try:
            pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
