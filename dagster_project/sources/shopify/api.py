"""Shopify's calls: orders by cursor, what the app may read, and its dialect of throttling and refusals. No columns.

https://shopify.dev/docs/api/admin-graphql and https://shopify.dev/docs/api/usage/limits: throttling and most refusals come
with status 200, in `errors`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase

from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally, VendorError, Window
from dagster_project.wire.http import Http, Json, Verdict, redact, start_of
from dagster_project.wire.oauth import AccessToken, Grant, shared_token
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import cursor_pages

if TYPE_CHECKING:
    from dagster_project.sources.shopify.settings import ShopifySettings

SOURCE = "shopify"
TOKEN_HEADER = "X-Shopify-Access-Token"
PAGE = 100  # orders; halved where the shop's plan does not allow so dear a query
CALLS_PER_SECOND = 2  # beside the points, which the answers themselves tell
ALL_ORDERS, CUSTOMERS = "read_all_orders", "read_customers"
DAYS_WITHOUT_ALL_ORDERS = 60
Record = dict[str, Json]

_MONEY = "shopMoney{amount currencyCode}"
_VISIT = "occurredAt source sourceType referrerUrl landingPage utmParameters{source medium campaign term content}"
_ORDER = (
    "id legacyResourceId name createdAt processedAt updatedAt cancelledAt test displayFinancialStatus currencyCode "
    f"taxesIncluded totalPriceSet{{{_MONEY}}} subtotalPriceSet{{{_MONEY}}} totalTaxSet{{{_MONEY}}} "
    f"totalRefundedSet{{{_MONEY}}} "
    f"customerJourneySummary{{ready firstVisit{{{_VISIT}}} lastVisit{{{_VISIT}}}}} "
    f"refunds{{id createdAt totalRefundedSet{{{_MONEY}}}}}"
)
_SCOPES = "{currentAppInstallation{accessScopes{handle}}}"


class TooDear(VendorError):
    """The query costs more than one may: ask for fewer orders at once."""


class Shopify:
    """One shop, as its app sees it. Raises AuthError, ConfigError, QuotaError, VendorError or DriftError."""

    def __init__(self, settings: ShopifySettings, shop: str, tally: Tally, stream: str) -> None:
        self.shop, self.tally, self._settings = shop, tally, settings
        self.where = {"source": SOURCE, "stream": stream}
        address, token = settings.address(shop), settings.token_of(shop)
        auth = _TokenHeader(shared_token(_grant(settings, shop)), tally) if token is None else None
        self._is_renewable = auth is not None
        self._path = f"/admin/api/{settings.api_version}/graphql.json"
        self._pacer = shared_pacer((address, shop), CALLS_PER_SECOND, 1.0)
        headers = {TOKEN_HEADER: token} if token else None
        self._http = Http(SOURCE, address, tally, headers=headers, auth=auth, judge=self._judge)
        self._page = PAGE

    def __enter__(self) -> Shopify:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def scopes(self) -> set[str]:
        """What the app may read."""
        data = self._ask(_SCOPES, {})
        found = _under(data, "currentAppInstallation", "accessScopes")
        if not isinstance(found, list):
            raise DriftError("the answer's field 'accessScopes' should be a list", **self.where)
        return {str(each.get("handle")) for each in found if isinstance(each, dict)}

    def orders(self, window: Window, *, with_customer: bool, with_email: bool) -> Iterator[list[Json]]:
        """Pages of the orders that were last changed in the window."""
        fields = _ORDER + (" customer{id}" if with_customer else "") + (" email" if with_email else "")
        changed = f"updated_at:>='{window.start}T00:00:00Z' AND updated_at:<'{window.end}T00:00:00Z'"
        query = (
            f"query($n:Int!,$c:String,$q:String!){{orders(first:$n,after:$c,sortKey:UPDATED_AT,query:$q)"
            f"{{pageInfo{{hasNextPage endCursor}} nodes{{{fields}}}}}}}"
        )
        ask = partial(self._orders_page, query, changed)
        for page in cursor_pages(ask, self._next_cursor, what="the list of orders", where=self.where):
            nodes = page.get("nodes")
            if not isinstance(nodes, list):
                raise DriftError("the answer's field 'nodes' should be a list", **self.where)
            yield nodes

    def _orders_page(self, query: str, changed: str, cursor: str | None) -> Record:
        while True:
            try:
                data = self._ask(query, {"n": self._page, "c": cursor, "q": changed})
            except TooDear:
                if self._page == 1:
                    raise
                self._page //= 2
                continue
            found = _under(data, "orders")
            if not isinstance(found, dict):
                raise DriftError("the answer's field 'orders' should be an object", **self.where)
            return found

    def _next_cursor(self, page: Record) -> str | None:
        info = page.get("pageInfo")
        if not isinstance(info, dict) or not isinstance(info.get("hasNextPage"), bool):
            raise DriftError("the answer's field 'pageInfo' does not say whether there is more", **self.where)
        if not info["hasNextPage"]:
            return None
        if not info.get("endCursor"):
            raise DriftError("the answer's field 'endCursor' is missing, and there is more", **self.where)
        return str(info["endCursor"])

    def _ask(self, query: str, variables: Record) -> Json:
        answer = self._http.post_json(self._path, json={"query": query, "variables": variables}, pacer=self._pacer)
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), dict):
            raise DriftError("the answer's field 'data' should be an object", **self.where)
        # the next question costs about as much: without the points for it, it would be refused
        if (missing := _wait_of(answer)) > 0:
            self.tally.sleep(missing)
        return answer["data"]

    # ---- what an answer means --------------------------------------------------------------------------------

    def _judge(self, response: requests.Response) -> Verdict | None:
        status, shop = response.status_code, f"shop {self.shop}"
        if status == 200:
            self._look_at_version(response)
            return self._by_errors(response) if b'"errors"' in response.content else None
        if status == 401:
            refusal = AuthError(f"{shop} does not accept {self._login()} (401): {start_of(response)}", **self.where)
            return Verdict(error=refusal, is_login_ended=self._is_renewable)
        if status in (402, 403, 423):
            why = {402: "it is frozen until its bill is paid", 423: "it is locked"}.get(status, start_of(response))
            return Verdict(error=AuthError(f"{shop} refuses to answer ({status}): {why}", **self.where))
        if status == 404:
            wrong = f"{shop} is not there (404): is SHOPIFY_SHOP the part before .myshopify.com, and SHOPIFY_API_VERSION one"
            return Verdict(error=ConfigError(f"{wrong} that exists ({self._settings.api_version})?", **self.where))
        if status == 430:  # what Shopify says instead of 429 where it takes the caller for a robot
            return Verdict()
        return None

    def _by_errors(self, response: requests.Response) -> Verdict | None:
        try:
            answer = response.json()
        except ValueError:  # cut: it is asked again
            return None
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if not errors:
            return None
        first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {"message": errors}
        more = first.get("extensions")
        code = str(more.get("code")) if isinstance(more, dict) else ""
        said = redact(str(first.get("message"))[:300])
        if code == "THROTTLED":
            return Verdict(wait_seconds=_wait_of(answer) or 1.0)
        if code == "MAX_COST_EXCEEDED":
            return Verdict(error=TooDear(said, **self.where))
        if code == "INTERNAL_SERVER_ERROR":
            return Verdict()
        if code in ("ACCESS_DENIED", "SHOP_INACTIVE"):
            mend = "; give the app the scope read_orders" if code == "ACCESS_DENIED" else ""
            return Verdict(error=AuthError(f"shop {self.shop} refuses ({code}): {said}{mend}", **self.where))
        return Verdict(
            error=VendorError(f"shop {self.shop} did not take the query ({code or 'no code'}): {said}", **self.where)
        )

    def _look_at_version(self, response: requests.Response) -> None:
        served = response.headers.get("X-Shopify-API-Version")
        if served and served != self._settings.api_version:
            self.tally.note(
                f"shop {self.shop} answers in version {served}, not in {self._settings.api_version}, which has ended: set "
                "SHOPIFY_API_VERSION"
            )

    def _login(self) -> str:
        return "the token that SHOPIFY_CLIENT_ID was given" if self._is_renewable else "SHOPIFY_ACCESS_TOKEN"


class _TokenHeader(AuthBase):
    """As `oauth.Bearer`, in the header of Shopify's own."""

    def __init__(self, token: AccessToken, tally: Tally) -> None:
        self._token, self._tally, self._sent = token, tally, ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self._sent = self._token.get(self._tally)
        request.headers[TOKEN_HEADER] = self._sent
        return request

    def forget(self) -> None:
        self._token.forget(self._sent)


def _grant(settings: ShopifySettings, shop: str) -> Grant:
    """A token of an app of the Dev Dashboard lives for a day."""

    def judge(response: requests.Response) -> Verdict | None:
        if response.status_code in (400, 401, 403):
            said = (
                f"shop {shop} gives no token to SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET ({response.status_code}): "
            )
            return Verdict(error=AuthError(f"{said}{start_of(response)}; is the app installed there?", source=SOURCE))
        return None

    secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
    form = {"grant_type": "client_credentials", "client_id": settings.client_id or "", "client_secret": secret}
    address = f"{settings.address(shop)}/admin/oauth/access_token"
    return Grant(SOURCE, address, tuple(form.items()), judge=judge, wrong_address="is SHOPIFY_SHOP right?")


def _wait_of(answer: Record) -> float:
    """Seconds until a query like this one can be paid with points; 0 where it can, or nothing is said of it."""
    cost = _under(answer, "extensions", "cost")
    status = _under(cost, "throttleStatus")
    try:
        return max(0.0, (cost["requestedQueryCost"] - status["currentlyAvailable"]) / status["restoreRate"])
    except (KeyError, TypeError, ZeroDivisionError):
        return 0.0


def _under(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
