"""WooCommerce's calls: pages of orders, refunds of an order, and what a WordPress site answers when it does not. No columns.

https://woocommerce.github.io/woocommerce-rest-api-docs/ (v3). A site is a small server: one call at a time, and fewer orders a
page where it does not manage a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.auth import HTTPBasicAuth

from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Tally, VendorError
from dagster_project.wire.http import Http, Json, Verdict, start_of
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.retrying import Persistence

if TYPE_CHECKING:
    import requests

    from dagster_project.sources.woocommerce.settings import WooCommerceSettings

SOURCE = "woocommerce"
SIZES = (100, 50, 25)  # orders a page; the next where a site does not manage
REFUNDS = 100
CALLS_PER_SECOND = 2
LISTINGS = 3  # of a list that changes while it is read
PERSISTENCE = Persistence(attempts=4)
FIELDS = (
    "id,number,status,currency,date_created_gmt,date_modified_gmt,date_paid_gmt,total,total_tax,shipping_total,"
    "customer_id,billing.email,billing.phone,refunds,meta_data"
)
REFUND_FIELDS = "id,date_created_gmt,amount"


class _Moved(Exception):
    """The list has another length than before: what lay on the next page may lie on this one now."""


class WooCommerce:
    """One site, as its key sees it. Raises AuthError, ConfigError, QuotaError, VendorError or DriftError."""

    def __init__(self, settings: WooCommerceSettings, site: str, tally: Tally, stream: str) -> None:
        self.name, self.tally = name_of(site), tally
        self.where = {"source": SOURCE, "stream": stream}
        self._pacer = shared_pacer((SOURCE, site), CALLS_PER_SECOND, 1.0)
        self._total = ""  # of the last answer
        auth = HTTPBasicAuth(*settings.login(site))
        self._http = Http(SOURCE, site, tally, auth=auth, judge=self._judge, persistence=PERSISTENCE)

    def __enter__(self) -> WooCommerce:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def orders(self, **asked: str) -> Iterator[list[Json]]:
        """Pages of orders by ascending id. Orders may come twice: a list is begun anew where the site breaks down over it, or
        where it has changed while it was read."""
        sizes, listings = iter(SIZES), 1
        size = next(sizes)
        while True:
            try:
                yield from self._listing(size, asked)
                return
            except _Moved:
                listings += 1
                if listings > LISTINGS:
                    raise VendorError(
                        f"site {self.name}: the list of orders has changed {LISTINGS} times while it was read; run again when "
                        "the shop is quiet",
                        **self.where,
                    ) from None
            except VendorError:
                smaller = next(sizes, None)
                if smaller is None:
                    raise
                size = smaller
                self.tally.note(f"site {self.name} did not answer with more than {size} orders a page")

    def refunds(self, order_id: Json) -> list[Json]:
        """All refunds of an order with their moments, which the order itself does not have."""
        path = f"/wp-json/wc/v3/orders/{order_id}/refunds"
        found: list[Json] = []
        for page in range(1, 100):
            asked: dict[str, str | int] = {"per_page": REFUNDS, "page": page, "_fields": REFUND_FIELDS}
            rows = self._listed(self._http.get_json(path, params=asked, pacer=self._pacer))
            found += rows
            if len(rows) < REFUNDS:
                return found
        raise VendorError(f"site {self.name}: the refunds of an order never end", **self.where)

    def _listing(self, size: int, asked: dict[str, str]) -> Iterator[list[Json]]:
        total: int | None = None
        page = 1
        while True:
            params: dict[str, str | int] = {
                "per_page": size, "page": page, "orderby": "id", "order": "asc", "status": "any", "_fields": FIELDS, **asked
            }  # fmt: skip
            rows, counted = self._page(params)
            if counted is not None:
                if total is not None and counted != total:
                    raise _Moved
                total = counted
            if not rows:
                return
            yield rows
            if total is not None and page * size >= total:
                return
            page += 1

    def _page(self, params: dict[str, str | int]) -> tuple[list[Json], int | None]:
        """Its orders, and how many there are in all, where the site says so."""
        rows = self._listed(self._http.get_json("/wp-json/wc/v3/orders", params=params, pacer=self._pacer))
        return rows, int(self._total) if self._total.isdigit() else None

    def _listed(self, answer: Json) -> list[Json]:
        if not isinstance(answer, list):
            raise DriftError(f"the answer should be a list, it is a {type(answer).__name__}", **self.where)
        return answer

    def _judge(self, response: requests.Response) -> Verdict | None:
        status, site = response.status_code, f"site {self.name}"
        is_page = "html" in response.headers.get("Content-Type", "").lower()
        if status == 200:
            self._total = response.headers.get("X-WP-Total", "")
            return None
        if status == 401:
            mend = "make a key with the right to read (WooCommerce > Settings > Advanced > REST API)"
            said = f"{site} does not accept WOOCOMMERCE_CONSUMER_KEY (401): {start_of(response)}; {mend}"
            return Verdict(error=AuthError(said, **self.where))
        if status == 403:
            why = "a web page answers, of a firewall or the host: let it through" if is_page else start_of(response)
            return Verdict(error=AuthError(f"{site} refuses to answer (403): {why}", **self.where))
        if status == 404:
            wrong = (
                f"{site} has no WooCommerce API (404): is WOOCOMMERCE_SITE right, WooCommerce active, and Settings > Permalinks "
                "anything but plain?"
            )
            return Verdict(error=ConfigError(wrong, **self.where))
        return None


def name_of(site: str) -> str:
    """The address without its protocol: what people call the site."""
    parts = urlsplit(site)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
