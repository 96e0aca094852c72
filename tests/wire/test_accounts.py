"""One account that cannot be read does not stop the others: Google Ads' accounts, GA4's properties."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from dagster_project.sources import ga4, google_ads
from dagster_project.sources.google_ads.api import SignInError
from dagster_project.wire import AuthError, Page, QuotaError, SourceError, Tally, VendorError, Window
from dagster_project.wire.oauth import shared_token
from dagster_project.wire.rest import each_account
from tests.sources.ga4.test_ga4_client import ROW, RUN_REPORT, answer, refused
from tests.sources.ga4.test_ga4_client import settings as ga4_settings
from tests.sources.google_ads.test_google_ads import at, batch, failure, row
from tests.support.scripted_server import Asked, Reply, ScriptedServer
from tests.support.what_happens import happens

AUGUST = Window(date(2026, 8, 1), date(2026, 8, 4))
DENIED = failure(403, "authorizationError", "USER_PERMISSION_DENIED")
THREE = {"GOOGLE_ADS_CUSTOMER_ID": "1111111111,2222222222,3333333333"}


@pytest.fixture(autouse=True)
def _signed_out() -> Iterator[None]:
    shared_token.cache_clear()
    yield
    shared_token.cache_clear()


def google_with(**answers: Any) -> Callable[[Asked], Reply | None]:
    """Google Ads for three accounts; `answers`: of an account, by its id's first digit: to the hierarchy, to a report."""

    def rule(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply({"access_token": "ya29.s3cr3t", "expires_in": 3599})
        account = re.search(r"customers/(\d+)/", asked.path)[1]  # type: ignore[index]
        kind = "listing" if "customer_client" in asked.json["query"] else "report"
        if (said := answers.get(f"{kind}_{account[0]}")) is not None:
            return said if isinstance(said, Reply) else Reply(said)
        mine = row("2026-08-01", f"7{account[0]}")
        return Reply([] if kind == "listing" else [batch(mine | {"customer": {**mine["customer"], "id": account}})])

    return rule


def read(scripted: ScriptedServer) -> tuple[list[str], Tally]:
    tally = Tally()
    pages = list(google_ads.read_campaign_performance(at(scripted, **THREE), AUGUST, tally))
    return sorted(itertools.chain(*(page.rows["account_id"].to_pylist() for page in pages))), tally


@happens(
    "one of three Google Ads accounts is denied", "the two others are stored, the run ends red and names the third"
)
@pytest.mark.parametrize("where", ["listing_2", "report_2"])
def test_a_denied_account_of_google_ads_stops_no_other(scripted: ScriptedServer, where: str) -> None:
    scripted.rule(google_with(**{where: Reply([DENIED], 403)}))
    accounts, tally = read(scripted)
    assert accounts == ["1111111111", "3333333333"]
    assert tally.read_accounts == {"1111111111", "3333333333"}
    assert tally.unread_accounts == set(tally.failed_accounts) == {"2222222222"}
    assert isinstance(tally.failed_accounts["2222222222"], AuthError)
    assert "GOOGLE_ADS_LOGIN_CUSTOMER_ID" in str(tally.failed_accounts["2222222222"])


def test_an_account_whose_answers_break_for_good_stops_no_other(scripted: ScriptedServer, waits: list[float]) -> None:
    scripted.rule(google_with(report_1=Reply("down", 500)))
    accounts, tally = read(scripted)
    assert accounts == ["2222222222", "3333333333"]
    assert isinstance(tally.failed_accounts["1111111111"], VendorError)


def test_an_account_that_is_off_is_no_failure_beside_one_that_is_denied(scripted: ScriptedServer) -> None:
    off = failure(403, "authorizationError", "CUSTOMER_NOT_ENABLED")
    scripted.rule(google_with(report_1=Reply([off], 403), report_2=Reply([DENIED], 403)))
    accounts, tally = read(scripted)
    assert (accounts, set(tally.failed_accounts)) == (["3333333333"], {"2222222222"})
    assert tally.unread_accounts == {"1111111111", "2222222222"}


def test_where_all_accounts_are_denied_the_stream_fails_as_before(scripted: ScriptedServer) -> None:
    scripted.rule(google_with(**{f"report_{n}": Reply([DENIED], 403) for n in (1, 2, 3)}))
    with pytest.raises(AuthError, match="account 1111111111: the signed-in user may not read it"):
        read(scripted)


def test_credentials_that_are_refused_are_refused_once(scripted: ScriptedServer) -> None:
    scripted.reply(Reply({"error": "invalid_grant", "error_description": "Bad Request"}, 400), path="/token")
    with pytest.raises(SignInError, match="GOOGLE_ADS_REFRESH_TOKEN"):
        read(scripted)
    assert len(scripted.asked) == 1


@happens("an empty 200 from Google's token endpoint", "asked again")
def test_an_empty_answer_of_the_token_endpoint_is_asked_again(scripted: ScriptedServer, waits: list[float]) -> None:
    good = Reply({"access_token": "ya29.s3cr3t", "expires_in": 3599})
    scripted.reply(Reply(b""), good, path="/token")
    rule = google_with()
    scripted.rule(lambda asked: None if asked.path == "/token" else rule(asked))
    accounts, tally = read(scripted)
    assert (len(accounts), tally.retries, len(waits)) == (3, 1, 1)


@happens("a report of Google Ads with an empty body", "asked again; an empty period is `[]`")
def test_an_empty_report_is_asked_again(scripted: ScriptedServer, waits: list[float]) -> None:
    empty = [Reply(b"")]
    rule = google_with()
    scripted.rule(lambda asked: empty.pop() if empty and "segments.date" in asked.body.decode() else rule(asked))
    accounts, _tally = read(scripted)
    assert (len(accounts), len(waits)) == (3, 1)


def test_a_token_answer_without_a_token_is_a_vendors_error(scripted: ScriptedServer) -> None:
    scripted.reply(Reply({"expires_in": 3599}), path="/token")
    rule = google_with()
    scripted.rule(lambda asked: None if asked.path == "/token" else rule(asked))
    with pytest.raises(VendorError, match="without an access_token"):
        read(scripted)


@happens("one of three GA4 properties is denied", "the two others are stored, the run ends red and names the third")
def test_a_denied_property_stops_no_other(scripted: ScriptedServer) -> None:
    for number in ("1", "3"):
        scripted.reply(Reply(answer(ROW)), path=RUN_REPORT.replace("1234", number))
    said = "User does not have sufficient permissions for this property."
    scripted.reply(refused(403, said, "PERMISSION_DENIED"), path=RUN_REPORT.replace("1234", "2"))
    tally = Tally()
    window = Window(date(2026, 2, 3), date(2026, 2, 4))
    pages = list(ga4.read("campaigns", ga4_settings(scripted, property_ids=["1", "2", "3"]), window, tally))
    assert [page.rows["account_id"].to_pylist() for page in pages] == [["1"], ["3"]]
    assert (tally.read_accounts, set(tally.failed_accounts)) == ({"1", "3"}, {"2"})
    assert "property 2: no permission" in str(tally.failed_accounts["2"])


def test_a_vendor_that_is_down_is_not_asked_for_every_account() -> None:
    asked = []

    def read_one(account: str) -> Iterator[Page]:
        asked.append(account)
        raise QuotaError("used up") if account == "2" else VendorError("down")
        yield  # a generator, as readers are

    tally = Tally()
    with pytest.raises(SourceError, match="down"):
        list(each_account([str(n) for n in range(50)], read_one, tally))
    assert asked == ["0", "1", "2"]
    assert len(tally.failed_accounts) == 50
