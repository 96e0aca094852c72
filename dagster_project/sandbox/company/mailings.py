"""What came of the newsletters, as the tool that sends them counts it at a moment. Clicks are those of `mail`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dagster_project.sandbox.company.crm import newsletters_ms
from dagster_project.sandbox.company.days import datetime_of

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company

SUBSCRIBERS_AT_FIRST, MORE_EACH_TIME = 1_800, 23
GONE_EACH_TIME = (3, 5, 2)  # addresses that no longer exist, by the number of the mailing
BUSY_EACH_TIME = (4, 0, 7, 1)  # boxes that were full
OPENED_PERCENT, BY_PROXY_PERCENT = 42, 55  # of the delivered; of the opened
HALF_OPEN_WITHIN = timedelta(hours=12)


@dataclass(frozen=True)
class Mailing:
    """A newsletter at a moment."""

    number: int
    name: str
    sent_at: datetime
    sent: int
    gone: int
    busy: int
    openers: int  # by themselves or by a proxy
    openers_themselves: int
    opens: int
    clickers: int
    clicks: int
    leavers: int
    complaints: int


def mailings_as_of(company: Company, now: datetime) -> list[Mailing]:
    """The newsletters that have gone out, oldest first."""
    clicks: dict[str, list[tuple[str, str]]] = {}
    for click in company.mail_clicks_as_of(now).to_pylist():
        clicks.setdefault(click["mailing"], []).append((click["recipient"], click["status"]))
    found = []
    for number, sent_ms in enumerate(newsletters_ms().tolist()):
        sent_at = datetime_of(sent_ms)
        if sent_at > now:
            break
        name = f"Newsletter {sent_at:%Y-%m-%d}"
        sent = SUBSCRIBERS_AT_FIRST + MORE_EACH_TIME * number
        gone, busy = GONE_EACH_TIME[number % 3], BUSY_EACH_TIME[number % 4]
        clicked = clicks.get(name, [])
        # half of what is to come within half a day, half of the rest in the next, over by the eighth
        halves = min(8, (now - sent_at) // HALF_OPEN_WITHIN)
        openers = (sent - gone - busy) * OPENED_PERCENT * (2**halves - 1) // (100 * 2**halves)
        found.append(
            Mailing(
                number=number,
                name=name,
                sent_at=sent_at,
                sent=sent,
                gone=gone,
                busy=busy,
                openers=openers,
                openers_themselves=openers * (100 - BY_PROXY_PERCENT) // 100,
                opens=openers * 13 // 10,
                clickers=len({recipient for recipient, _ in clicked}),
                clicks=len(clicked),
                leavers=len({recipient for recipient, status in clicked if status == "unsubscribed"}),
                complaints=int(number % 9 == 4 and halves > 0),
            )
        )
    return found
