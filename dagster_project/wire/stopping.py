"""A run that is told to stop (Ctrl-C, SIGTERM) ends within seconds, whatever it is waiting for.

The run works in a thread, so that the main thread is free to hear the signal: code that waits inside a library
(a vendor's socket, a database, a lock) hears of none. Whoever waits in our own code does it by `wait` and `next_of`.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.2
GRACE_SECONDS = 5.0  # for a run to end by itself, once it is told to
CHILD_GRACE_SECONDS = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_told = threading.Event()
_children: list[subprocess.Popen[Any]] = []


class Stopped(KeyboardInterrupt):
    """The run was told to stop. A KeyboardInterrupt, so that nobody takes it for a failure of what was being done."""

    def __init__(self, signal_number: int = signal.SIGINT) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """As a shell says it of a process that a signal ended: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signal_number


def check() -> None:
    """Raises Stopped where the run was told to stop."""
    if _told.is_set():
        raise Stopped


def wait(seconds: float) -> None:
    """Wait, unless told to stop. Raises Stopped."""
    _told.wait(seconds)
    check()


def next_of(items: queue.Queue[T], seconds: float | None = None) -> T:
    """The next of `items`; raises queue.Empty where none has come in time, Stopped where told to stop meanwhile."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        check()
        left = LOOK_SECONDS if until is None else min(LOOK_SECONDS, until - time.monotonic())
        try:
            return items.get(timeout=max(0.0, left)) if left > 0 else items.get_nowait()
        except queue.Empty:
            if until is not None and time.monotonic() >= until:
                raise


@contextlib.contextmanager
def child(process: subprocess.Popen[Any]) -> Iterator[None]:
    """`process` ends with the run when that is told to stop."""
    _children.append(process)
    try:
        yield
    finally:
        _children.remove(process)


def run_until_stopped(work: Callable[[], T], when_stopped: Callable[[], None] = lambda: None) -> T:
    """What `work` gives, which is done in a thread. On SIGINT or SIGTERM: tell it to stop, end its children, call
    `when_stopped` once it has ended or five seconds have passed, and raise Stopped. The thread may still be there then:
    end the process by os._exit. Only for the main thread. A second signal does not wait.
    """
    done: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(1)

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    heard: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: heard.append(number)) for number in _SIGNALS}
    worker = threading.Thread(target=run, name="run", daemon=True)
    try:
        worker.start()
        while worker.is_alive() and not heard:
            worker.join(LOOK_SECONDS)
        if not worker.is_alive():
            result, error = done.get()
            if error is not None:
                raise error
            return result  # type: ignore[return-value]
        _told.set()
        _end_children()
        until = time.monotonic() + GRACE_SECONDS
        while worker.is_alive() and len(heard) == 1 and time.monotonic() < until:
            worker.join(LOOK_SECONDS)
        last_words = threading.Thread(target=when_stopped, name="last words", daemon=True)
        last_words.start()
        last_words.join(GRACE_SECONDS)
        raise Stopped(heard[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if not worker.is_alive():  # else it must not go on
            _told.clear()


def _end_children() -> None:
    """A build that is killed leaves a warehouse that the next run goes on from; one that is asked first tidies up."""
    for process in list(_children):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(CHILD_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
