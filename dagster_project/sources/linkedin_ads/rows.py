"""LinkedIn's rows as columns: figures by creative and day, conversions by rule, and where a creative leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from dagster_project.wire.http import Json

Row = Mapping[str, Json]

COUNTS = (
    "impressions", "clicks", "landingPageClicks", "videoViews", "externalWebsiteConversions",
    "externalWebsitePostClickConversions", "externalWebsitePostViewConversions", "oneClickLeads",
)  # fmt: skip
COST, WORTH = "costInLocalCurrency", "conversionValueInLocalCurrency"
CREATIVE, CAMPAIGN = "urn:li:sponsoredCreative:", "urn:li:sponsoredCampaign:"
CENTS_PLACES = Decimal("0.000001")


def performance(row: Row, conversions: Sequence[str], currency: Json) -> dict[str, Any]:
    """A record of ad_performance. A count that is absent did not happen; the cost must be there.

    Raises AttributeError, KeyError, TypeError, ValueError where the row has not the shape of one.
    """
    known = ("dateRange", "pivotValues", "pivot", *COUNTS, COST, WORTH)
    worth = money(row.get(WORTH))
    return {
        **{name: value for name, value in row.items() if name not in known},
        **_whose(row),
        **{name: row.get(name, 0) for name in COUNTS},
        "currency": currency,
        COST: money(row.get(COST)),
        WORTH: worth,
        "conversions": sum(int(row.get(name) or 0) for name in conversions),
        "conversions_value": worth if any(name.startswith("externalWebsite") for name in conversions) else None,
    }


def conversions_of(row: Row, currency: Json) -> dict[str, Any]:
    """A record of ad_conversions."""
    counts = [name for name in COUNTS if name.startswith("externalWebsite")]
    known = ("dateRange", "pivotValues", "pivot", *counts, WORTH)
    return {
        **{name: value for name, value in row.items() if name not in known},
        **_whose(row),
        **{name: row.get(name, 0) for name in counts},
        "currency": currency,
        WORTH: money(row.get(WORTH)),
    }


def money(value: Json) -> Json:
    """Amounts are decimal texts, some in powers of ten: -2E-18. What is no amount stays, so that the reader says so."""
    try:
        return str(Decimal(str(value)).quantize(CENTS_PLACES)) if value is not None else None
    except InvalidOperation:
        return value


def _whose(row: Row) -> dict[str, Json]:
    """Day, creative, campaign, conversion of a row: pivots come in the order of the question, and are told by their urn."""
    urns = [str(urn) for urn in row["pivotValues"]]
    start, end = (date(**{part: row["dateRange"][side][part] for part in ("year", "month", "day")}) for side in _SIDES)
    if start != end:
        raise ValueError("a row of more than one day")
    found: dict[str, Json] = {"date": start}
    for urn in urns:
        kind, _, number = urn.rpartition(":")
        found[_PIVOTS.get(kind, kind)] = number
    return found


_SIDES = ("start", "end")
_PIVOTS = {
    "urn:li:sponsoredCreative": "creative_id",
    "urn:li:sponsoredCampaign": "campaign_id",
    "urn:lla:llaPartnerConversion": "conversion_id",
}


# ---- where creatives lead --------------------------------------------------------------------------------------


def shown_post(creative: Row) -> str | None:
    """The post that a creative shows; None where it is made of other things."""
    reference = (creative.get("content") or {}).get("reference")
    is_post = isinstance(reference, str) and reference.startswith(("urn:li:share:", "urn:li:ugcPost:"))
    return str(reference) if is_post else None


def link_of(creative: Row, post: Row | None) -> str | None:
    """Where it leads: its own landing page, or its post's."""
    own = next(_texts(creative.get("content") or {}, ("landingPage", "destinationUrl")), None)
    if own or not post:
        return own
    article = (post.get("content") or {}).get("article") or {}
    for link in (post.get("contentLandingPage"), article.get("source")):
        if isinstance(link, str) and link:
            return link
    return None


def _texts(content: Row, names: Sequence[str]) -> Iterator[str]:
    """The texts of that name, however deep: each kind of ad has its own part."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _texts(value, names)
        elif name in names and isinstance(value, str) and value:
            yield value


def tags_of(tracking: Row, names: Mapping[str, Json]) -> str:
    """The tags that LinkedIn appends, `names` filled in: what it calls CAMPAIGN_NAME and so on."""
    dynamic = tracking.get("dynamicValueParameters") or {}
    custom = tracking.get("customValueParameters") or {}
    filled = {key: names.get(str(value)) for key, value in dynamic.items()}
    return "&".join(f"{key}={quote(str(value or ''), safe='')}" for key, value in {**filled, **custom}.items())


def with_tags(link: str | None, tags: str) -> str | None:
    if not link or not tags:
        return link
    address, sign, anchor = link.partition("#")
    return f"{address}{'&' if '?' in address else '?'}{tags}{sign}{anchor}"


def moment(milliseconds: Json) -> Json:
    """An ISO text; what is no number stays."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int):
        return milliseconds
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
