"""The sandbox's Google Ads answers as Google does: asked with bare HTTP, so that our own client cannot hide a slip.

Codes, messages and shapes are those of Google's reference (v26 error enums, "Zero metrics", "Search & SearchStream").
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import requests

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sources.google_ads import sandbox as vendor
from dagster_project.sources.google_ads.sandbox import CUSTOMER_ID as ACCOUNT
from dagster_project.sources.google_ads.sandbox import MANAGER_ID as MANAGER

AUGUST = "segments.date BETWEEN '2026-08-01' AND '2026-08-31'"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["google_ads"]) as running:
        yield running


@pytest.fixture(scope="module")
def token(sandbox: Sandbox) -> str:
    return sign_in(sandbox).json()["access_token"]


def sign_in(sandbox: Sandbox, **changed: str) -> requests.Response:
    env = sandbox.env
    form = {
        "grant_type": "refresh_token",
        "client_id": env["GOOGLE_ADS_CLIENT_ID"],
        "client_secret": env["GOOGLE_ADS_CLIENT_SECRET"],
        "refresh_token": env["GOOGLE_ADS_REFRESH_TOKEN"],
        **changed,
    }
    return requests.post(env["GOOGLE_OAUTH_TOKEN_URL"], data=form, timeout=10)


def ask(
    sandbox: Sandbox,
    token: str,
    query: str,
    account: str = ACCOUNT,
    version: str = "v26",
    manager: str = MANAGER,
) -> requests.Response:
    return requests.post(
        f"{sandbox.endpoints['google_ads']}/{version}/customers/{account}/googleAds:searchStream",
        json={"query": query},
        headers={"Authorization": f"Bearer {token}", "developer-token": "x", "login-customer-id": manager},
        timeout=10,
    )


def refusal(response: requests.Response) -> tuple[int, dict[str, str]]:
    """(status, error code); the error stands in an array of one, and its code is the status."""
    (element,) = response.json()
    error = element["error"]
    assert error["code"] == response.status_code
    assert error["details"][0]["@type"].endswith(".errors.GoogleAdsFailure")
    return response.status_code, error["details"][0]["errors"][0]["errorCode"]


def rows(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [row for batch in response.json() for row in batch["results"]]


def test_only_what_is_selected_is_there_and_as_proto_json(sandbox: Sandbox, token: str) -> None:
    answer = ask(sandbox, token, f"SELECT campaign.id, metrics.cost_micros, segments.date FROM campaign WHERE {AUGUST}")
    for row in rows(answer):
        assert row.keys() <= {"campaign", "metrics", "segments"}
        assert row["campaign"].keys() == {"id", "resourceName"}
        assert isinstance(row["metrics"]["costMicros"], str)
        assert date(2026, 8, 1) <= date.fromisoformat(row["segments"]["date"]) <= date(2026, 8, 31)
    assert answer.json()[0]["fieldMask"] == "campaign.id,metrics.costMicros,segments.date"


def test_zeros_are_omitted_and_rows_of_zeros_are_not_sent(sandbox: Sandbox, token: str) -> None:
    both = rows(
        ask(
            sandbox,
            token,
            f"SELECT metrics.impressions, metrics.conversions, segments.date FROM campaign WHERE {AUGUST}",
        )
    )
    only = rows(ask(sandbox, token, f"SELECT metrics.conversions, segments.date FROM campaign WHERE {AUGUST}"))
    assert [row for row in both if "conversions" not in row["metrics"]]
    assert not [row for row in both if row["metrics"].get("conversions") == 0]
    assert 0 < len(only) == len([row for row in both if "conversions" in row["metrics"]]) < len(both)


def test_no_rows_is_an_empty_array(sandbox: Sandbox, token: str) -> None:
    query = "SELECT metrics.clicks, segments.date FROM campaign WHERE segments.date = '2024-05-01'"
    assert ask(sandbox, token, query).text == "[]"
    assert ask(sandbox, token, query.replace("2024-05", "2026-08"), vendor.IDLE_CUSTOMER_ID).text == "[]"


def test_a_long_answer_comes_in_batches(sandbox: Sandbox, token: str) -> None:
    year = "segments.date BETWEEN '2025-10-01' AND '2026-09-30'"
    query = f"SELECT campaign.id, segments.date, metrics.clicks, metrics.impressions FROM campaign WHERE {year} ORDER BY segments.date"
    answer = ask(sandbox, token, query)
    sizes = [len(batch["results"]) for batch in answer.json()]
    days = [row["segments"]["date"] for row in rows(answer)]
    assert sizes[:-1] == [vendor.BATCH_ROWS] * (len(sizes) - 1)
    assert len(sizes) > 1
    assert days == sorted(days)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"SELECT metrics.video_views FROM campaign WHERE {AUGUST}", {"queryError": "UNRECOGNIZED_FIELD"}),
        ("SELECT campaign.id FROM campaigns", {"queryError": "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"}),
        (
            "SELECT metrics.clicks, segments.date FROM campaign",
            {"queryError": "EXPECTED_FILTERS_ON_DATE_RANGE"},
        ),
        (
            f"SELECT metrics.clicks FROM campaign WHERE {AUGUST} ORDER BY segments.date",
            {"queryError": "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"},
        ),
        (
            f"SELECT click_view.gclid, segments.date FROM click_view WHERE {AUGUST}",
            {"clickViewError": "EXPECTED_FILTER_ON_A_SINGLE_DAY"},
        ),
        (
            "SELECT click_view.gclid, segments.date FROM click_view WHERE segments.date = '2026-07-02'",
            {"clickViewError": "DATE_TOO_OLD"},
        ),
        (
            "SELECT metrics.clicks, segments.date FROM campaign WHERE segments.date = '2023-08-30'",
            {"dateRangeError": "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"},
        ),
        ("SELECT", {"queryError": "UNEXPECTED_INPUT"}),
    ],
)
def test_queries_that_google_refuses(sandbox: Sandbox, token: str, query: str, code: dict[str, str]) -> None:
    assert refusal(ask(sandbox, token, query)) == (400, code)


def test_accounts_and_versions_that_google_refuses(sandbox: Sandbox, token: str) -> None:
    query = f"SELECT metrics.clicks, segments.date FROM campaign WHERE {AUGUST}"
    assert refusal(ask(sandbox, token, query, MANAGER)) == (
        400,
        {"queryError": "REQUESTED_METRICS_FOR_MANAGER"},
    )
    assert refusal(ask(sandbox, token, query, vendor.CANCELED_CUSTOMER_ID)) == (
        403,
        {"authorizationError": "CUSTOMER_NOT_ENABLED"},
    )
    assert refusal(ask(sandbox, token, query, manager="")) == (
        403,
        {"authorizationError": "USER_PERMISSION_DENIED"},
    )
    assert refusal(ask(sandbox, token, query, "1")) == (401, {"authenticationError": "CUSTOMER_NOT_FOUND"})
    assert refusal(ask(sandbox, "ya29.made-up", query)) == (
        401,
        {"authenticationError": "OAUTH_TOKEN_INVALID"},
    )
    assert refusal(ask(sandbox, token, query, version="v20")) == (
        400,
        {"requestError": "UNSUPPORTED_VERSION"},
    )
    gone = ask(sandbox, token, query, version="v2")
    assert (gone.status_code, gone.headers["content-type"].partition(";")[0]) == (404, "text/html")


def test_signing_in(sandbox: Sandbox) -> None:
    good = sign_in(sandbox).json()
    assert good["token_type"] == "Bearer"
    assert good["expires_in"] == 3599
    for changed, status, error in [
        ({"refresh_token": "old"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ]:
        answer = sign_in(sandbox, **changed)
        assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_hierarchy_below_a_manager(sandbox: Sandbox, token: str) -> None:
    query = "SELECT customer_client.id, customer_client.manager, customer_client.status FROM customer_client"
    clients = [row["customerClient"] for row in rows(ask(sandbox, token, query, MANAGER))]
    assert clients[0] == {"id": MANAGER, "manager": True, "status": "ENABLED"}
    assert {"id": vendor.CANCELED_CUSTOMER_ID, "status": "CANCELED"} in clients  # "manager": false is omitted
    enabled = f"{query} WHERE customer_client.manager = FALSE AND customer_client.status = 'ENABLED'"
    found = {row["customerClient"]["id"] for row in rows(ask(sandbox, token, enabled, MANAGER))}
    assert found == {ACCOUNT, vendor.IDLE_CUSTOMER_ID}
