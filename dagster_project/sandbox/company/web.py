"""What a counter comes to know of the company's visits, and when: the SESSIONS and KEY_EVENTS tables.

`finish` turns the `visits` of strangers and of known people into the tables; `as_of` is what of them is shown at a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.sandbox.company.ads import CAMPAIGNS, UNITS, AdHistory, click_ids
from dagster_project.sandbox.company.days import (
    DAY_MS,
    DAYS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    day_of,
    local_ms,
    ms_of,
)
from dagster_project.sandbox.company.tables import KEY_EVENTS, SESSIONS, Web
from dagster_project.sandbox.company.tags import KINDS, VARIANTS, TrafficSource, resolve, resolve_ad_click
from dagster_project.sandbox.company.visits import (
    COUNTRIES,
    HABITS,
    HANDMADE_PATHS,
    LANGUAGE,
    PAGES,
    ROBOT_BURSTS,
    Bools,
    Ints,
    Visits,
    pick,
)

DEVICES = ("desktop", "mobile", "tablet", "smart tv")

# Google's words for its own counter: processing takes 24 to 48 hours. Hours until a visit shows, with the share that takes so
# long; nothing takes longer than 54, so a day is complete on the third morning after it.
_LAG_HOURS = np.array([4.0, 10.0, 26.0, 48.0, 54.0])
_LAG_SHARE = np.array([0.0, 0.66, 0.91, 0.985, 1.0])
_LATE_SOURCE_SHARE = 0.05  # visits that show before their source is known
_LATE_KEY_EVENT_SHARE = 0.02  # key events credited 3 to 12 days later


@dataclass(frozen=True)
class Landings:
    """How each visit landed, by its position in the visits given to `finish`."""

    row: Ints  # in the SESSIONS table; -1 where the visit was never recorded
    query: list[str]  # raw
    path: list[str]
    source: list[TrafficSource]


def finish(
    rng: np.random.Generator,
    visits: Visits,
    ads: AdHistory,
    goals: npt.NDArray[np.object_],
    shared: Ints,
    blocked: Bools,
) -> tuple[Web, Landings]:
    """The SESSIONS and KEY_EVENTS tables, in full knowledge.

    By visit: goals = the key event it ends in, or None; blocked = no script ran, so nothing was recorded.
    shared: browsers that are one and the same device.
    """
    order = np.argsort(visits.at_ms, kind="stable")
    visits, goals, recorded = visits.take(order), goals[order], ~blocked[order]
    size = len(visits)
    day = day_of(visits.at_ms)

    browser = np.where(np.isin(visits.browser, shared), shared[:1], visits.browser)
    _, first_row, client = np.unique(browser, return_index=True, return_inverse=True)
    first_second = visits.at_ms[first_row] // SECOND_MS
    cookie = [
        f"{number}.{second}"
        for number, second in zip(rng.integers(10**9, 2**31 - 1, len(first_row)), first_second, strict=True)
    ]
    is_new = np.zeros(size, bool)
    is_new[np.flatnonzero(recorded)[np.unique(client[recorded], return_index=True)[1]]] = True
    no_dimension = (rng.random(len(first_row)) < 0.06)[client] | (rng.random(size) < 0.02)

    sources, source_of, query, referrer, gclid = _traffic_sources(rng, visits, day, ads)
    has_goal = goals != None  # noqa: E711  (elementwise)
    kind_habits = [HABITS[kind] for kind in KINDS]
    engaged = has_goal | (rng.random(size) < np.array([h.engaged for h in kind_habits])[visits.kind])
    landing = _landing_pages(rng, visits)
    # A path is not known where the first hit was no page view.
    no_page = (rng.random(size) < 0.012) & ~has_goal
    views = np.where(no_page, 0, 1 + np.where(engaged, rng.poisson(1.9, size), 0) + 2 * has_goal)
    seconds = np.where(engaged, np.round(10 + rng.exponential(75, size), 1), np.round(rng.random(size) * 9, 1))
    device = _devices(rng, visits, client)
    country = np.array([*COUNTRIES, None], object)[np.where(rng.random(size) < 0.006, -1, visits.country)]
    seen, attributed, withdrawn = _knowledge(rng, visits, day)

    client_ids = pa.array(cookie).take(client)
    epochs = pa.array((visits.at_ms // SECOND_MS).astype(str))
    local = local_ms(visits.at_ms) * 1000
    columns = {
        "session_id": pc.binary_join_element_wise(client_ids, epochs, pa.array(np.arange(size).astype(str)), "-"),
        "visitor_id": visits.visitor,
        "client_id": client_ids,
        "client_id_dimension": pc.if_else(pa.array(no_dimension), pa.scalar(None, pa.string()), client_ids),
        "started_at": pa.array(local).cast(pa.timestamp("us")),
        "started_at_utc": pa.array(visits.at_ms * 1000).cast(pa.timestamp("us", "UTC")),
        "date": pa.array(DAYS[day]),
        **{
            name: pa.array([getattr(source, name) for source in sources], pa.string()).take(source_of)
            for name in TrafficSource._fields
        },
        "landing_page": pc.if_else(pa.array(no_page), pa.scalar(None, pa.string()), landing),
        "landing_query": query,
        "referrer": referrer,
        "gclid": gclid,
        "device": device,
        "country_id": pa.array(country, pa.string()),
        "is_engaged": engaged,
        "page_views": views,
        "engagement_seconds": seconds,
        "key_events": has_goal.astype(np.int64),
        "is_new": is_new,
        "seen_at": _instants(seen),
        "attributed_at": _instants(attributed),
        "withdrawn_at": _instants(withdrawn),
    }
    sessions = pa.table([columns[name] for name in SESSIONS.names], schema=SESSIONS)
    row = np.where(recorded, np.cumsum(recorded) - 1, -1)
    rows = np.flatnonzero(has_goal & recorded)
    late = rng.random(len(rows)) < _LATE_KEY_EVENT_SHARE
    occurred = visits.at_ms[rows] + rng.integers(20, 400, len(rows)) * SECOND_MS
    seen_goal = np.where(late, occurred + rng.integers(3 * DAY_MS, 12 * DAY_MS, len(rows)), seen[rows])
    key_events = pa.table(
        [row[rows], pa.array(goals[rows], pa.string()), _instants(occurred), _instants(seen_goal)],
        schema=KEY_EVENTS,
    )
    by_visit = np.argsort(order)
    landings = Landings(
        row=row[by_visit],
        query=query.take(pa.array(by_visit)).to_pylist(),
        path=landing.take(pa.array(by_visit)).to_pylist(),
        source=[sources[number] for number in source_of.take(pa.array(by_visit)).to_pylist()],
    )
    return Web(sessions.filter(pa.array(recorded)), key_events), landings


def _instants(ms: Ints) -> pa.Array:
    """Negative = null."""
    return pa.array(ms * 1000, mask=ms < 0).cast(pa.timestamp("us", "UTC"))


def _traffic_sources(
    rng: np.random.Generator, visits: Visits, day: Ints, ads: AdHistory
) -> tuple[list[TrafficSource], pa.Array, pa.Array, pa.Array, pa.Array]:
    """(distinct sources, which one by visit, raw query, referrer, gclid or null) as a counter gets them."""
    size = len(visits)
    months, month = np.unique(DAYS.astype("datetime64[M]")[day], return_inverse=True)
    parameter = np.array([v.click_parameter for v in VARIANTS])[visits.variant]
    # The campaign's name is the one it had at the click, so the hour of a renaming matters.
    is_ads = (parameter == "gclid") & (visits.click >= 0)
    campaign = np.array([unit.plan for unit in UNITS])[ads.stat_unit[ads.click_stat[visits.click]]]
    name_nr = np.zeros(size, np.int64)
    for number, plan in enumerate(CAMPAIGNS):
        for since, _ in plan.names[1:]:
            name_nr += (campaign == number) & (visits.at_ms >= ms_of(since))
    # Distinct combinations are few: resolve each once. The day matters only through its month and since when
    # Google knows assistants, so the day itself is kept for those.
    is_assistant = visits.kind == KINDS.index("ai_assistant")
    parts = (
        visits.variant,
        month,
        np.where(is_ads, campaign + 1, 0),
        np.where(is_ads, name_nr, 0),
        np.where(is_assistant, day, 0),
    )
    sizes = tuple(int(part.max(initial=0)) + 1 for part in parts)
    distinct, code_of = np.unique(np.ravel_multi_index(parts, sizes), return_inverse=True)
    code_of = pa.array(code_of)
    sources, queries, referrers = [], [], []
    for variant_nr, month_nr, campaign_nr, nth_name, day_nr in zip(
        *(part.tolist() for part in np.unravel_index(distinct, sizes)), strict=True
    ):
        variant = VARIANTS[variant_nr]
        query = variant.query.replace("{month}", str(months[month_nr]))
        if campaign_nr:
            plan = CAMPAIGNS[campaign_nr - 1]
            source = resolve_ad_click(query, plan.channel_type, plan.names[nth_name][1], plan.id)
        else:
            source = resolve(query, variant.referrer, variant.click_parameter, str(DAYS[day_nr]))
        sources.append(source)
        queries.append("&".join(part for part in (query, f"{variant.click_parameter}=") if part.strip("=")))
        referrers.append(variant.referrer)
    ids = np.full(size, b"", ads.gclids.dtype)
    ids[is_ads] = ads.gclids[visits.click[is_ads]]
    others = np.flatnonzero((parameter != "") & ~is_ads)
    ids[others] = click_ids(rng, len(others), "", 36)
    id_text = pa.array(ids.astype(str))
    query = pc.binary_join_element_wise(pa.array(queries).take(code_of), id_text, "")
    gclid = pc.if_else(pa.array(is_ads), id_text, pa.scalar(None, pa.string()))
    return sources, code_of, query, pa.array(referrers).take(code_of), gclid


def _landing_pages(rng: np.random.Generator, visits: Visits) -> pa.Array:
    languages = sorted(set(LANGUAGE.values()))
    paths = [PAGES[page][language] for page in PAGES for language in languages]
    language = np.array([languages.index(LANGUAGE[country]) for country in COUNTRIES])[visits.country]
    page = pick(rng, np.array([HABITS[kind].pages for kind in KINDS], float), visits.kind)
    exact = pa.array(paths).take(pa.array(page * len(languages) + language))
    handmade = pa.array([HANDMADE_PATHS.get(path, path) for path in paths])
    handmade = handmade.take(pa.array(page * len(languages) + language))
    by_hand = (visits.kind == KINDS.index("referral")) & (rng.random(len(visits)) < 0.3)
    return pc.if_else(pa.array(by_hand), handmade, exact)


def _devices(rng: np.random.Generator, visits: Visits, client: Ints) -> pa.Array:
    """A browser is always the same kind of device: what its first visit drew."""
    mobile = np.array([HABITS[kind].mobile for kind in KINDS])[visits.kind]
    draw = rng.random(len(visits))
    device = np.select([draw < mobile, draw < mobile + 0.02], [1, 2], 0)
    is_video = np.isin(visits.click, -1, invert=True) & (visits.kind == 0) & (draw > 0.99)
    device = np.where(is_video, 3, device)
    _, first_row = np.unique(client, return_index=True)
    return pa.array(DEVICES).take(pa.array(device[first_row][client]))


def _knowledge(rng: np.random.Generator, visits: Visits, day: Ints) -> tuple[Ints, Ints, Ints]:
    """When a counter shows a visit, knows its source, takes it out again (-1: never)."""
    size = len(visits)
    lag_hours = np.interp(rng.random(size), _LAG_SHARE, _LAG_HOURS)
    seen = visits.at_ms + (lag_hours * HOUR_MS).astype(np.int64)
    latest = visits.at_ms + int(_LAG_HOURS[-1] * HOUR_MS)
    wait = np.where(rng.random(size) < _LATE_SOURCE_SHARE, rng.integers(6, 20, size) * HOUR_MS, 0)
    attributed = np.minimum(seen + wait, latest)
    # Robots: filtered within two days, but for one burst.
    delay = np.full(len(DAYS), 40 * HOUR_MS)
    for burst, _, days in ROBOT_BURSTS:
        delay[np.searchsorted(DAYS, np.datetime64(burst))] = days * DAY_MS - 16 * HOUR_MS
    robots = visits.kind == KINDS.index("robot")
    return seen, attributed, np.where(robots, visits.at_ms + delay[day] + 5 * MINUTE_MS, -1)


def as_of(web: Web, now: datetime) -> Web:
    """What a counter shows at a moment: visits processed by then, with their source if known, less known robots."""
    sessions = web.sessions
    moment = pa.scalar(now, pa.timestamp("us", "UTC"))
    is_withdrawn = pc.fill_null(pc.less_equal(sessions["withdrawn_at"], moment), False)
    shown = pc.and_(pc.less_equal(sessions["seen_at"], moment), pc.invert(is_withdrawn)).to_numpy()
    row = np.where(shown, np.cumsum(shown) - 1, -1)
    key_events = web.key_events
    known = pc.less_equal(key_events["seen_at"], moment).to_numpy()
    known &= row[key_events["session_row"].to_numpy()] >= 0
    key_events = key_events.filter(pa.array(known))
    session_row = row[key_events["session_row"].to_numpy()]
    key_events = key_events.set_column(0, KEY_EVENTS.field(0), pa.array(session_row))
    sessions = sessions.filter(pa.array(shown))
    counts = np.bincount(session_row, minlength=len(sessions))
    sessions = _replaced(sessions, "key_events", pa.array(counts))
    is_open = pc.greater(sessions["attributed_at"], moment)
    for name in TrafficSource._fields:
        sessions = _replaced(sessions, name, pc.if_else(is_open, pa.scalar(None, pa.string()), sessions[name]))
    return Web(sessions, key_events)


def _replaced(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(position), values)
