"""The company's visits in Metrica's words: numbers, sources, how cells of a log are written, sums of a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow.compute as pc

from dagster_project.sandbox.company import SITE_HOST, Company

GOALS = {"generate_lead": 201, "sign_up": 202, "purchase": 203}
BOUNCE_SECONDS = 15  # one page, and shorter than this
_TRAFFIC = {
    "cpc": "ad",
    "ppc": "ad",
    "paid_social": "ad",
    "paidsocial": "ad",
    "organic": "organic",
    "social": "social",
    "email": "email",
    "referral": "referral",
}
_DEVICES = {"desktop": "1", "mobile": "2", "tablet": "3", "smart tv": "4"}
Visit = Mapping[str, Any]


def client_number(client_id: str) -> str:
    """Metrica's number of the browser that has this cookie: when it was first seen, and a random part."""
    number, _, second = client_id.partition(".")
    return f"{second}{int(number) % 10**9:09d}"


def visits(company: Company, now: datetime, first: date, last: date) -> list[dict[str, Any]]:
    """The visits of the days, by Metrica's names of fields without ym:s:, in order of time."""
    web = company.web_as_of(now)
    goals = defaultdict(list)
    for row, name in zip(
        web.key_events["session_row"].to_pylist(), web.key_events["event_name"].to_pylist(), strict=True
    ):
        goals[row].append(GOALS[name])
    days = web.sessions["date"]
    rows = pc.indices_nonzero(pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last)))
    found = web.sessions.take(rows).to_pylist()
    return [_visit(session, goals[row]) for row, session in zip(rows.to_pylist(), found, strict=True)]


def _visit(session: Visit, goals: Sequence[int]) -> dict[str, Any]:
    query = session["landing_query"]
    tags = {name: values[0] for name, values in parse_qs(query).items()}
    path = session["landing_page"] or "/"
    traffic = _traffic(session)
    if any(name in tags for name in ("gclid", "yclid", "msclkid")):
        traffic = "ad"
    host = urlsplit(session["referrer"]).hostname or ""
    name = next((n for n in ("google", "yandex", "bing", "duckduckgo") if f"{n}." in host), "")
    seconds = round(session["engagement_seconds"])
    return {
        # the last part of the company's own id is the visit's number in all its history
        "visitID": str(10**18 + int(session["session_id"].rsplit("-", 1)[1])),
        "date": str(session["date"]),
        "dateTime": session["started_at"].strftime("%Y-%m-%d %H:%M:%S"),
        "clientID": client_number(session["client_id"]),
        "isNewUser": int(session["is_new"]),
        "startURL": f"https://{SITE_HOST}{path}{'?' if query else ''}{query}",
        "referer": session["referrer"],
        "pageViews": session["page_views"],
        "visitDuration": seconds,
        "bounce": int(session["page_views"] <= 1 and seconds < BOUNCE_SECONDS),
        "regionCountry": session["country_id"] or "",
        "deviceCategory": _DEVICES[session["device"]],
        "goalsID": list(goals),
        "lastTrafficSource": traffic,
        "lastAdvEngine": ("google_adwords" if "gclid" in tags else "ya_direct" if "yclid" in tags else "")
        if traffic == "ad"
        else "",
        "lastSearchEngineRoot": name if traffic == "organic" else "",
        "lastSocialNetwork": session["source"] if traffic == "social" else "",
        "lastMessenger": "",
        "lastDirectClickOrder": "",
        **{
            f"lastUTM{part}": tags.get(f"utm_{part.lower()}", "")
            for part in ("Source", "Medium", "Campaign", "Content", "Term")
        },
    }


def _traffic(session: Visit) -> str:
    if session["medium"] is None:
        return "direct" if session["channel"] == "Direct" else "undefined"
    return _TRAFFIC.get(session["medium"], "referral")


NAMES = frozenset(
    f"ym:s:{name}"
    for name in [
        "visitID",
        "date",
        "dateTime",
        "clientID",
        "isNewUser",
        "startURL",
        "referer",
        "pageViews",
        "visitDuration",
        "bounce",
        "regionCountry",
        "deviceCategory",
        "goalsID",
        "lastTrafficSource",
        "lastAdvEngine",
        "lastSearchEngineRoot",
        "lastSocialNetwork",
        "lastMessenger",
        "lastDirectClickOrder",
        "lastUTMSource",
        "lastUTMMedium",
        "lastUTMCampaign",
        "lastUTMContent",
        "lastUTMTerm",
    ]
)


def lines(company: Company, now: datetime, first: date, last: date, fields: Sequence[str]) -> list[str]:
    names = [name.removeprefix("ym:s:") for name in fields]
    return ["\t".join(_cell(visit[name]) for name in names) for visit in visits(company, now, first, last)]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(str(each) for each in value) + "]"
    text = str(value)
    for sign, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("'", "\\'")):
        text = text.replace(sign, written)
    return text


# ---- reports -------------------------------------------------------------------------------------------------

_SOURCE_NAMES = {
    "ad": "Ad traffic",
    "organic": "Search engine traffic",
    "direct": "Direct traffic",
    "referral": "Link traffic",
    "social": "Social network traffic",
    "email": "Mailing traffic",
    "undefined": "Traffic undefined",
}


def report(
    company: Company,
    now: datetime,
    first: date,
    last: date,
    dimensions: Sequence[str],
    metrics: Sequence[str],
    model: str,
) -> list[dict[str, Any]]:
    """Rows of a report, by day and name. Of the models, this one plays `last` for all: nobody compares them here."""
    del model
    groups: dict[tuple[Any, ...], list[Visit]] = defaultdict(list)
    for visit in visits(company, now, first, last):
        groups[tuple(_member(visit, name) for name in dimensions)].append(visit)
    ordered = sorted(groups.items(), key=lambda item: [str(member) for member in item[0]])
    return [
        {
            "dimensions": [_dimension(name, member) for name, member in zip(dimensions, members, strict=True)],
            "metrics": [_METRICS[name](found) for name in metrics],
        }
        for members, found in ordered
    ]


def _member(visit: Visit, name: str) -> Any:
    plain = name.removeprefix("ym:s:")
    return visit["date"] if plain == "date" else visit[f"last{plain}"] or None


def _dimension(name: str, member: Any) -> dict[str, Any]:
    if name.endswith("TrafficSource"):
        return {"icon_id": "1", "icon_type": "traffic-source", "name": _SOURCE_NAMES[member], "id": member}
    return {"name": member}


_METRICS: Mapping[str, Callable[[Sequence[Visit]], float]] = {
    "ym:s:visits": lambda found: float(len(found)),
    "ym:s:users": lambda found: float(len({visit["clientID"] for visit in found})),
    "ym:s:newUsers": lambda found: float(sum(visit["isNewUser"] for visit in found)),
    "ym:s:pageviews": lambda found: float(sum(visit["pageViews"] for visit in found)),
    "ym:s:bounceRate": lambda found: 100.0 * sum(visit["bounce"] for visit in found) / len(found),
    "ym:s:sumGoalReachesAny": lambda found: float(sum(len(visit["goalsID"]) for visit in found)),
}
