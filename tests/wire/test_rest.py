"""Paging and jobs of REST APIs, over the wire: where lists end, what turns in a circle, what a job costs."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import parse_qs

import pytest

from dagster_project.wire import QuotaError, SourceError, Tally, VendorError
from dagster_project.wire.http import Http
from dagster_project.wire.rest import Progress, cursor_pages, next_links, numbered_pages, pages_ahead, polled_job
from dagster_project.wire.retrying import Interrupted
from tests.support.scripted_server import Asked, Reply, ScriptedServer

WHERE = {"source": "shop", "stream": "orders"}
ROWS = [{"id": n} for n in range(1, 8)]


@pytest.fixture
def http(scripted: ScriptedServer) -> Http:
    return Http("shop", scripted.url, Tally())


def queries(server: ScriptedServer) -> list[str]:
    return [asked.query for asked in server.asked]


# ---- by number ---------------------------------------------------------------------------------------------


def by_offset(server: ScriptedServer) -> None:
    def rule(asked: Asked) -> Reply:
        start = int(parse_qs(asked.query)["offset"][0])
        return Reply({"rows": ROWS[start : start + 3], "total": len(ROWS)})

    server.rule(rule)


def ask_rows(http: Http) -> Any:
    return lambda offset: http.get_json("/rows", params={"offset": offset})["rows"]


def test_a_short_page_may_be_the_end(http: Http, scripted: ScriptedServer) -> None:
    by_offset(scripted)
    pages = list(numbered_pages(ask_rows(http), itertools.count(0, 3), lambda rows: len(rows) < 3))
    assert [row["id"] for page in pages for row in page] == [1, 2, 3, 4, 5, 6, 7]
    assert queries(scripted) == ["offset=0", "offset=3", "offset=6"]


def test_an_empty_page_may_be_the_end(http: Http, scripted: ScriptedServer) -> None:
    by_offset(scripted)
    pages = list(numbered_pages(ask_rows(http), itertools.count(0, 3), lambda rows: not rows))
    assert [len(page) for page in pages] == [3, 3, 1, 0]


def test_a_known_number_of_rows_needs_no_look(http: Http, scripted: ScriptedServer) -> None:
    by_offset(scripted)
    assert [len(page) for page in numbered_pages(ask_rows(http), range(0, len(ROWS), 3))] == [3, 3, 1]
    assert [len(page) for page in pages_ahead(ask_rows(http), range(0, len(ROWS), 3))] == [3, 3, 1]
    assert len(scripted.asked) == 6


def test_a_page_ahead_that_fails_is_told_where_it_would_be_used(http: Http, scripted: ScriptedServer) -> None:
    scripted.rule(lambda asked: Reply({"rows": ROWS[:3]}) if asked.query == "offset=0" else Reply("no", 404))
    pages = pages_ahead(ask_rows(http), [0, 3])
    assert len(next(pages)) == 3
    with pytest.raises(VendorError, match="404"):
        next(pages)


def test_no_pages_are_no_calls(http: Http, scripted: ScriptedServer) -> None:
    assert list(pages_ahead(ask_rows(http), [])) == []
    assert list(numbered_pages(ask_rows(http), [])) == []
    assert scripted.asked == []


def test_a_vendor_that_does_not_look_at_the_number_is_an_error(http: Http, scripted: ScriptedServer) -> None:
    scripted.rule(lambda asked: Reply({"rows": ROWS[:3]}))
    with pytest.raises(VendorError, match=r"^shop/orders: GET /rows gives page 3 again and again"):
        list(
            numbered_pages(ask_rows(http), itertools.count(0, 3), lambda rows: not rows, what="GET /rows", where=WHERE)
        )
    assert len(scripted.asked) == 2


# ---- by cursor ---------------------------------------------------------------------------------------------


def test_cursors_are_followed_past_short_and_empty_pages(http: Http, scripted: ScriptedServer) -> None:
    pages = [{"rows": ROWS[:1], "next": "a"}, {"rows": [], "next": "b"}, {"rows": ROWS[1:], "next": None}]
    scripted.reply(*map(Reply, pages))

    def ask(cursor: str | None) -> Any:
        return http.get_json("/rows", params={"cursor": cursor} if cursor else {})

    found = [row["id"] for page in cursor_pages(ask, lambda page: page["next"]) for row in page["rows"]]
    assert found == [1, 2, 3, 4, 5, 6, 7]
    assert queries(scripted) == ["", "cursor=a", "cursor=b"]


def test_the_last_id_may_be_the_cursor(http: Http, scripted: ScriptedServer) -> None:
    """Stripe: `starting_after` the last object of the page, while it says `has_more`."""

    def rule(asked: Asked) -> Reply:
        after = int(parse_qs(asked.query).get("starting_after", ["0"])[0])
        return Reply({"data": ROWS[after : after + 2], "has_more": after + 2 < len(ROWS)})

    scripted.rule(rule)

    def ask(cursor: str | None) -> Any:
        return http.get_json("/charges", params={"starting_after": cursor} if cursor else {})

    def following(page: Any) -> str | None:
        return str(page["data"][-1]["id"]) if page["has_more"] else None

    assert [row["id"] for page in cursor_pages(ask, following) for row in page["data"]] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("circle", [["a", "a"], ["a", "b", "a"]])
def test_cursors_that_turn_in_a_circle_are_an_error(http: Http, scripted: ScriptedServer, circle: list[str]) -> None:
    scripted.reply(*[Reply({"next": cursor}) for cursor in circle])
    pages = cursor_pages(lambda _: http.get_json("/rows"), lambda page: page["next"], what="GET /rows", where=WHERE)
    with pytest.raises(VendorError, match=r"^shop/orders: GET /rows gives page 'a' again and again"):
        list(pages)


# ---- by link -----------------------------------------------------------------------------------------------


def links(http: Http, base_url: str, first: str = "/v1/rows?limit=2") -> list[Any]:
    def link(page: Any) -> str | None:
        return page.get("next") if page else None

    ask = lambda path: http.get_json(path, may_be_empty=True)  # noqa: E731
    return list(next_links(ask, first, link, base_url=base_url, what="the list", where=WHERE))


@pytest.mark.parametrize("shape", ["{url}/v1/rows?page=2", "/v1/rows?page=2"], ids=["whole", "from the root"])
def test_links_are_followed(http: Http, scripted: ScriptedServer, shape: str) -> None:
    scripted.reply(Reply({"next": shape.format(url=scripted.url)}), Reply({"rows": []}))
    assert len(links(http, scripted.url)) == 2
    assert [(asked.path, asked.query) for asked in scripted.asked] == [("/v1/rows", "limit=2"), ("/v1/rows", "page=2")]


def test_a_base_url_with_a_path_is_not_doubled(scripted: ScriptedServer) -> None:
    base = f"{scripted.url}/api/v4"
    scripted.reply(Reply({"next": f"{base}/leads?page=2"}), Reply({}))
    with Http("shop", base, Tally()) as http:
        links(http, base, "/leads?page=1")
    assert [asked.path for asked in scripted.asked] == ["/api/v4/leads", "/api/v4/leads"]


def test_a_204_is_an_empty_list_where_the_vendor_says_so(http: Http, scripted: ScriptedServer) -> None:
    scripted.reply(Reply(b"", 204))
    assert links(http, scripted.url) == [None]
    assert len(scripted.asked) == 1


def test_a_link_to_another_server_takes_no_token_there(http: Http, scripted: ScriptedServer) -> None:
    scripted.reply(Reply({"next": "http://user:pw@evil.example/v1/rows?page=2"}))
    with pytest.raises(VendorError, match=r"shop/orders: the list goes on at another server, evil\.example"):
        links(http, scripted.url)
    assert len(scripted.asked) == 1


def test_a_link_to_itself_is_an_error(http: Http, scripted: ScriptedServer) -> None:
    scripted.rule(lambda asked: Reply({"next": "/v1/rows?page=2"}))
    with pytest.raises(VendorError, match="again and again"):
        links(http, scripted.url)
    assert len(scripted.asked) == 2


# ---- jobs --------------------------------------------------------------------------------------------------


def logs_api(http: Http) -> Any:
    """A job of its own: made, looked at until it says processed."""

    def look(job: str) -> Progress[list[int]]:
        state = http.get_json(f"/jobs/{job}")
        if state["status"] == "failed":
            raise Interrupted("the vendor says failed")
        if state["status"] == "canceled":
            raise VendorError("it was canceled", source="shop")
        return Progress(state["parts"]) if state["status"] == "processed" else Progress(wait_seconds=state.get("wait"))

    return look


def start(http: Http) -> Any:
    return lambda: http.post_json("/jobs")["id"]


def jobs(*states: dict[str, Any]) -> Any:
    ids, left = itertools.count(1), list(states)
    return lambda asked: Reply({"id": str(next(ids))}) if asked.method == "POST" else Reply(left.pop(0))


def test_a_job_is_looked_at_until_it_is_ready(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    created = {"status": "created"}
    scripted.rule(jobs(created, created, created, {"status": "processed", "parts": [1, 2]}))
    assert polled_job(start(http), logs_api(http), Tally(), what="the log") == [1, 2]
    assert waits == [2, 4, 8]
    assert [asked.path for asked in scripted.asked] == ["/jobs"] + ["/jobs/1"] * 4


def test_the_vendor_says_when_to_look_again(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(jobs({"status": "created", "wait": 30}, {"status": "created"}, {"status": "processed", "parts": []}))
    assert polled_job(start(http), logs_api(http), Tally(), what="the log") == []
    assert waits == [30, 4]


def test_waits_are_bounded(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(jobs(*[{"status": "created"}] * 7, {"status": "processed", "parts": []}))
    polled_job(start(http), logs_api(http), Tally(), what="the log", longest_seconds=20)
    assert waits == [2, 4, 8, 16, 20, 20, 20]


def test_a_job_that_fails_is_started_anew(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(jobs({"status": "failed"}, {"status": "processed", "parts": [7]}))
    tally = Tally()
    assert polled_job(start(http), logs_api(http), tally, what="the log") == [7]
    assert [asked.path for asked in scripted.asked] == ["/jobs", "/jobs/1", "/jobs", "/jobs/2"]
    assert tally.retries == 1


def test_a_job_that_fails_again_and_again_is_an_error(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(jobs(*[{"status": "failed"}] * 3))
    with pytest.raises(VendorError, match=r"^shop/orders: the log failed 3 times: the vendor says failed"):
        polled_job(start(http), logs_api(http), Tally(), what="the log", where=WHERE)


def test_a_job_in_vain_is_not_waited_for(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(jobs({"status": "canceled"}))
    with pytest.raises(SourceError, match="canceled"):
        polled_job(start(http), logs_api(http), Tally(), what="the log")
    assert waits == []


def test_patience_ends(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(jobs(*[{"status": "created", "wait": 100}] * 9))
    with pytest.raises(QuotaError, match=r"the log is not ready after .* run again later"):
        polled_job(start(http), logs_api(http), Tally(), what="the log", patience_seconds=50)
    assert waits == []


def test_the_question_may_be_the_job(http: Http, scripted: ScriptedServer, waits: list[float]) -> None:
    """Yandex.Direct: the same report is asked for again until it comes; 201 and 202 say when, in a header."""
    scripted.reply(Reply(b"", 201, {"retryIn": "5"}), Reply(b"", 202, {"retryIn": "9"}), Reply("Date\tClicks\n", 200))
    question = {"params": {"ReportName": "campaigns"}}

    def look(asked: dict[str, Any]) -> Progress[bytes]:
        answer = http.request("POST", "/reports", json=asked)
        return (
            Progress(answer.content) if answer.status_code == 200 else Progress(None, float(answer.headers["retryIn"]))
        )

    assert polled_job(lambda: question, look, Tally(), what="the report") == b"Date\tClicks\n"
    assert waits == [5, 9]
    assert [asked.json for asked in scripted.asked] == [question] * 3
