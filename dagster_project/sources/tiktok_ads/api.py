"""TikTok's Business API as advertisers are read by it: pages of a report, and of ads with where they lead.

Rows leave as TikTok sent them. Two calls a second: how many an app has is not published.

https://business-api.tiktok.com/portal/docs?id=1740302848100353 (reports)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Self

from dagster_project.sources.tiktok_ads.answers import SOURCE, Answers
from dagster_project.wire.contract import Tally, VendorError, Window
from dagster_project.wire.http import Http, Json
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import numbered_pages

if TYPE_CHECKING:
    from dagster_project.sources.tiktok_ads.settings import TiktokAdsSettings

Row = dict[str, Json]

PAGE = 1000  # else 10
CALLS, SECONDS = 4, 2.0
# Else what was deleted is left out: its days would lose what they cost.
ALL_ADS = [{"field_name": "ad_status", "filter_type": "IN", "filter_value": json.dumps(["STATUS_ALL"])}]


class Tiktok:
    """One read's connection. Methods raise AuthError, DriftError, QuotaError, VendorError."""

    def __init__(self, settings: TiktokAdsSettings, stream: str, tally: Tally) -> None:
        token = settings.access_token.get_secret_value()
        self.answers = Answers(stream)
        self._root = f"/open_api/{settings.api_version}"
        self._pacer = shared_pacer((settings.base_url, token), CALLS, SECONDS)
        self._http = Http(SOURCE, settings.base_url, tally, headers={"Access-Token": token}, judge=self.answers.judge)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def report(self, advertiser: str, window: Window, metrics: Sequence[str]) -> Iterator[list[Row]]:
        """Pages of ads by day; 30 days at most."""
        return self._pages(
            "report/integrated/get/",
            {
                "advertiser_id": advertiser,
                "service_type": "AUCTION",
                "report_type": "BASIC",
                "data_level": "AUCTION_AD",
                "dimensions": json.dumps(["ad_id", "stat_time_day"]),
                "metrics": json.dumps(metrics),
                "start_date": str(window.start),
                "end_date": str(window.last),
                "filtering": json.dumps(ALL_ADS),
            },
        )

    def ads(self, advertiser: str) -> Iterator[list[Row]]:
        """Pages of ads, deleted ones too. All their fields: not every version knows by name where an ad leads."""
        return self._pages(
            "ad/get/", {"advertiser_id": advertiser, "filtering": json.dumps({"primary_status": "STATUS_ALL"})}
        )

    # ---- calls -------------------------------------------------------------------------------------------------

    def _pages(self, path: str, asked: dict[str, str]) -> Iterator[list[Row]]:
        at = f"{self._root}/{path}"

        def ask(number: int) -> Row:
            more = {"page": str(number), "page_size": str(PAGE)}
            answer = self._http.get_json(at, params={**asked, **more}, pacer=self._pacer)
            data = answer.get("data") if isinstance(answer, dict) else None
            if not isinstance(data, dict) or not isinstance(data.get("list"), list) or not self._info(data):
                raise VendorError(
                    f"GET {at} answered without a list and its page_info; is TIKTOK_ADS_BASE_URL right?",
                    **self.answers.where,
                )
            return data

        def is_last(data: Row) -> bool:
            info = self._info(data)
            return int(info["page"]) >= int(info["total_page"])

        given, promised = 0, 0
        for data in numbered_pages(ask, count(1), is_last, what=f"GET {at}", where=self.answers.where):
            given, promised = given + len(data["list"]), int(self._info(data).get("total_number") or 0)
            yield data["list"]
        if given < promised:
            raise VendorError(f"GET {at} gave {given} rows and says that there are {promised}", **self.answers.where)

    def _info(self, data: Row) -> Row:
        """Its page_info; empty where it does not say which page of how many it is."""
        info = data.get("page_info")
        if not isinstance(info, dict) or not all(isinstance(info.get(name), int) for name in ("page", "total_page")):
            return {}
        return info
