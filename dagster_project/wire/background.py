"""Work in a thread of its own that never keeps the process alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_background(work: Callable[[], T], name: str = "ahead") -> Future[T]:
    """`work` begins at once, in a daemon thread. A pool's threads would be waited for at the process's end, and
    one that reads from a vendor who never answers ends when the vendor wants."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
