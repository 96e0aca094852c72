"""The newsletter: who clicked in it, as the tool that sends it counts. Each click of a reader began one of their visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dagster_project.sandbox.company.crm import newsletters_ms
from dagster_project.sandbox.company.days import HOUR_MS, SECOND_MS, datetime_of
from dagster_project.sandbox.company.people import Person
from dagster_project.sandbox.company.tables import MAIL_CLICKS, SITE_HOST
from dagster_project.sandbox.company.tags import KINDS, VARIANTS
from dagster_project.sandbox.company.visits import Visits
from dagster_project.sandbox.company.web import Landings

Ints = npt.NDArray[np.int64]

# Subscribers whom the CRM does not know; their browsers let no analytics script run, so no visit is seen either.
STRANGERS = 12
UNSUBSCRIBER, UNSUBSCRIBES_AT = 7, 20  # which of them leaves, with which newsletter
_UNSUBSCRIBE_LINK = f"https://{SITE_HOST}/newsletter/abmelden"


def write(
    rng: np.random.Generator, people: Sequence[Person], visits: Visits, came: Ints, landings: Landings, *, first: int
) -> pa.Table:
    """MAIL_CLICKS: the visits that a newsletter began (`came` = whose, `first` = their place in `landings`), and the
    clicks of strangers. E-mails that the CRM itself sends are not the tool's.
    """
    sends = newsletters_ms()
    is_sent_by_tool = np.array([v.kind == "email" and "utm_source=hs_email" not in v.query for v in VARIANTS])
    rows = np.flatnonzero((visits.kind == KINDS.index("email")) & is_sent_by_tool[visits.variant])
    clicked_ms = visits.at_ms[rows] - rng.integers(2, 20, len(rows)) * SECOND_MS  # until the page has loaded
    mailings = _mailings(sends, visits.at_ms[rows])
    clicks = [
        (at_ms, mailing, people[person].email.strip(), _link(landings, first + row, mailing), "subscribed")
        for at_ms, mailing, person, row in zip(
            clicked_ms.tolist(), mailings, came[rows].tolist(), rows.tolist(), strict=True
        )
    ]
    clicks += _of_strangers(rng, sends)
    clicks.sort()
    columns = zip(*((datetime_of(at_ms), *click) for at_ms, *click in clicks), strict=True)
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns, MAIL_CLICKS, strict=True)], schema=MAIL_CLICKS
    )


def _mailings(sends: Ints, at_ms: Ints) -> list[str]:
    """The name of the newsletter that went out last before each moment."""
    names = [f"Newsletter {datetime_of(send):%Y-%m-%d}" for send in sends.tolist()]
    return [names[position] for position in (np.searchsorted(sends, at_ms, side="right") - 1).tolist()]


def _link(landings: Landings, visit: int, mailing: str) -> str:
    """The link as the newsletter has it: where a visit has no tags they were lost on the way to the site."""
    lost = f"utm_source=newsletter&utm_medium=email&utm_campaign=news_{mailing.split()[1][:7]}"
    return f"https://{SITE_HOST}{landings.path[visit]}?{landings.query[visit] or lost}"


def _of_strangers(rng: np.random.Generator, sends: Ints) -> list[tuple[int, str, str, str, str]]:
    """(moment, mailing, recipient, link, status); of the one who leaves nothing follows."""
    clicks = []
    drawn = rng.random((len(sends), STRANGERS)) < 0.12
    waits = rng.exponential(7 * HOUR_MS, drawn.shape).astype(np.int64)
    drawn[UNSUBSCRIBES_AT:, UNSUBSCRIBER] = False
    drawn[UNSUBSCRIBES_AT, UNSUBSCRIBER] = True
    for send, reader in zip(*(part.tolist() for part in np.nonzero(drawn)), strict=True):
        at_ms = int(sends[send] + waits[send, reader])
        mailing = f"Newsletter {datetime_of(int(sends[send])):%Y-%m-%d}"
        leaves = (send, reader) == (UNSUBSCRIBES_AT, UNSUBSCRIBER)
        tags = f"utm_source=newsletter&utm_medium=email&utm_campaign=news_{mailing.split()[1][:7]}"
        link = _UNSUBSCRIBE_LINK if leaves else f"https://{SITE_HOST}/?{tags}"
        clicks.append((at_ms, mailing, f"leser{reader}@example.net", link, "unsubscribed" if leaves else "subscribed"))
    return clicks
