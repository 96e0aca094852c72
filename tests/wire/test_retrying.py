"""The engine for asking again: what counts as a failure, what spends patience, and what a fresh login is worth."""

from __future__ import annotations

import time

import pytest

from dagster_project.wire import AuthError, QuotaError, Tally, VendorError
from dagster_project.wire.retrying import USUAL, Interrupted, LoginEnded, Persistence, Retries, is_passing, until_whole

REFUSED = AuthError("the token is refused", source="shop")


def engine(waits: list[float], tally: Tally | None = None, **options: object) -> Retries:
    return Retries(tally or Tally(), source="shop", stream="orders", sleep=waits.append, **options)  # type: ignore[arg-type]


class Script:
    """Raises the given troubles in turn, then answers; counts how often it was asked."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles, self.asked = list(troubles), 0

    def __call__(self) -> str:
        self.asked += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return "answer"


def test_the_back_off_doubles_and_is_bounded() -> None:
    for failures, least in [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (7, 32.0), (20, 60.0)]:
        assert least <= USUAL.back_off_seconds(failures) <= least + 0.5
    assert Persistence(first_seconds=1, chance_seconds=0).back_off_seconds(4) == 8


@pytest.mark.parametrize(
    ("status", "passes"),
    [(200, False), (400, False), (401, False), (403, False), (404, False), (408, True), (423, True), (425, True),
     (429, True), (477, False), (500, True), (503, True), (530, True)],
)  # fmt: skip
def test_which_statuses_pass_by_themselves(status: int, passes: bool) -> None:
    assert is_passing(status) is passes


def test_failures_in_a_row_end_in_an_error_that_names_stream_and_thing() -> None:
    waits: list[float] = []
    ask = Script(*[Interrupted("cut")] * 9)
    with pytest.raises(VendorError, match=r"^shop/orders: the report still fails after 6 attempts: cut$"):
        engine(waits).run(ask, "the report")
    assert (ask.asked, len(waits)) == (6, 5)


def test_a_vendors_wait_is_kept_up_to_the_patience() -> None:
    waits: list[float] = []
    assert engine(waits).run(Script(Interrupted("slow", 120)), "it") == "answer"
    with pytest.raises(QuotaError, match="asks to wait 121 s") as caught:
        engine(waits).run(Script(Interrupted("slow", 121)), "it")
    assert (waits, caught.value.retry_after_seconds) == ([120], 121)


def test_a_wait_that_is_too_long_is_told_in_the_vendors_terms_where_it_has_some() -> None:
    own = QuotaError("midnight in Berlin", retry_after_seconds=500, source="shop")
    with pytest.raises(QuotaError, match="midnight in Berlin"):
        engine([]).run(Script(Interrupted("slow", 500, otherwise=own)), "it")


def test_a_wait_beyond_the_time_of_the_read_is_not_begun() -> None:
    waits: list[float] = []
    tally = Tally(until=time.monotonic() + 30)
    with pytest.raises(QuotaError):
        engine(waits, tally).run(Script(Interrupted("slow", 60)), "it")
    assert waits == []


def test_quotas_are_no_failures_but_spend_one_patience() -> None:
    """Eight waits of 100 s are more than six attempts; a patience of 850 s holds them, and not a ninth."""
    waits: list[float] = []
    retries = engine(waits, persistence=Persistence(patience_seconds=850))
    used_up = [Interrupted("tokens", 100, is_quota=True) for _ in range(8)]
    assert retries.run(Script(*used_up), "it") == "answer"
    assert waits == [100] * 8
    with pytest.raises(QuotaError):
        retries.run(Script(Interrupted("tokens", 100, is_quota=True)), "it")


def test_a_login_that_has_ended_is_renewed_once_and_not_waited_for() -> None:
    waits: list[float] = []
    renewed: list[int] = []
    tally = Tally()
    retries = engine(waits, tally, renew=lambda: renewed.append(1))
    assert retries.run(Script(LoginEnded("401", REFUSED)), "it") == "answer"
    assert (renewed, waits, tally.retries) == ([1], [], 1)
    ask = Script(LoginEnded("401", REFUSED), LoginEnded("401", REFUSED))
    with pytest.raises(AuthError, match="the token is refused"):
        retries.run(ask, "it")
    assert (renewed, ask.asked) == ([1, 1], 2)


def test_a_login_that_nothing_renews_is_refused_at_once() -> None:
    ask = Script(LoginEnded("401", REFUSED))
    with pytest.raises(AuthError):
        engine([]).run(ask, "it")
    assert ask.asked == 1


def test_a_stream_whose_login_ends_each_time_it_is_open_is_given_up() -> None:
    """Each opening succeeds, so the login is renewed each time: the attempts still end."""
    retries = engine([], renew=lambda: None)

    def read_one() -> None:
        retries.run(lambda: "opened", "the stream")
        raise LoginEnded("401 inside", REFUSED)

    with pytest.raises(VendorError, match="6 attempts"):
        until_whole(read_one, lambda failures, interrupted: retries.pause(failures, interrupted, "the stream"))
