"""Yandex.Direct: what ads cost and did by day and network, the goals that they brought, where they lead.

Belongs here: the streams, and how a window is cut. Money is in the client's currency, days are Moscow's. The wire is in `api`,
what errors mean in `answers`, how reports become columns in `reports`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta

import pyarrow as pa

from dagster_project.sources.yandex_direct import reports
from dagster_project.sources.yandex_direct.answers import SOURCE as NAME
from dagster_project.sources.yandex_direct.answers import TooMuchData
from dagster_project.sources.yandex_direct.api import Direct
from dagster_project.sources.yandex_direct.descriptions import ABOUT, COLUMNS
from dagster_project.sources.yandex_direct.links import CAMPAIGN_STATES, ads_of, has_id
from dagster_project.sources.yandex_direct.reports import MONEY
from dagster_project.sources.yandex_direct.settings import RULES, DirectSettings
from dagster_project.wire.contract import Page, SourceError, Stream, Tally, VendorError, Window, schema
from dagster_project.wire.http import Json
from dagster_project.wire.rest import each_account
from dagster_project.wire.source import Source

# "The data normally stabilizes within three days. In unusual cases, older statistics might be corrected"
# (yandex.com/dev/direct/doc/en/actual); conversions come later still.
RESTATE_DAYS, DEEP_RESTATE_DAYS = 3, 30
YEARS_BACK = 3  # "statistics are available for the three years prior to the current month"
REPORT_DAYS = 31  # of one report: its text is held whole
TRIES_OF_A_DAY, TRY_AGAIN_SECONDS = 3, 10.0
TIME_ZONE = "Europe/Moscow"
Tables = Callable[[bytes, str, str], list[pa.Table]]  # text of a report, login, currency


def read_ad_performance(settings: DirectSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: client, day, ad, network."""
    rules = settings.rules

    def tables(text: bytes, login: str, currency: str) -> list[pa.Table]:
        report = reports.read(text, reports.PERFORMANCE, AD_PERFORMANCE, f"client {login}", tally)
        return [reports.ad_table(report, AD_PERFORMANCE, login, currency, reports.vat(rules), tally)]

    yield from _read(AD_PERFORMANCE, settings, window, [(reports.ads_asked(rules), tables)], tally)


def read_ad_conversions(settings: DirectSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: client, day, ad, network, goal."""
    rules = settings.rules

    def tables(text: bytes, login: str, currency: str, goals: tuple[str, ...]) -> list[pa.Table]:
        report = reports.read(text, reports.OF_GOALS, AD_CONVERSIONS, f"client {login}", tally)
        return reports.goal_tables(report, AD_CONVERSIONS, login, currency, goals, rules.attribution, tally)

    asked: list[tuple[Mapping[str, Json], Tables]] = []
    for start in range(0, len(rules.goals), reports.MOST_GOALS):
        goals = rules.goals[start : start + reports.MOST_GOALS]
        asked.append(
            (
                reports.goals_asked(rules, goals),
                lambda text, login, currency, goals=goals: tables(text, login, currency, goals),  # type: ignore[misc]
            )
        )
    yield from _read(AD_CONVERSIONS, settings, window, asked, tally)


def sweep_ads(settings: DirectSettings, tally: Tally) -> Iterator[Page]:
    """Grain: client, ad. All there are, archived ones too."""
    is_newer = settings.api_version != "v5"
    with Direct(settings, ADS.name, tally) as direct:
        yield from each_account(
            settings.logins, lambda login: ads_of(direct, login, ADS, is_newer=is_newer, tally=tally), tally
        )


def changed_since(settings: DirectSettings, moment: datetime, tally: Tally) -> date | None:
    """The oldest day whose figures Direct has corrected since, of any client. Two calls a client."""
    days = []
    with Direct(settings, AD_PERFORMANCE.name, tally) as direct:
        for login in settings.logins:
            asked = {"SelectionCriteria": {"States": CAMPAIGN_STATES}, "FieldNames": ["Id"]}
            try:
                ids = [row["Id"] for rows in direct.campaigns(login, asked) for row in rows if has_id(row)]
                days.append(direct.changed_from(login, ids, moment))
            except SourceError as error:  # reading the client tells it as well, where it lasts
                tally.note(f"client {login}: Direct does not say which older days it has corrected: {error}")
    return min((day for day in days if day), default=None)


def earliest(today: date) -> date:
    return date(today.year - YEARS_BACK, today.month, 1)


# ---- clients and windows -----------------------------------------------------------------------------------


def _read(
    stream: Stream,
    settings: DirectSettings,
    window: Window,
    asked: list[tuple[Mapping[str, Json], Tables]],
    tally: Tally,
) -> Iterator[Page]:
    def of_client(login: str) -> Iterator[Page]:
        currency = direct.currency(login)
        quality = {"time_zone": TIME_ZONE, "currency_code": currency}
        for question, tables in asked:
            for part in _parts(window):
                for days, found in _cut(direct, login, question, tables, currency, part, tally):
                    for table in found:
                        reports.check_days(table, days.days(), stream)
                        if table.num_rows:
                            yield Page(table, quality)

    with Direct(settings, stream.name, tally) as direct:
        yield from each_account(settings.logins, of_client, tally)


def _cut(
    direct: Direct, login: str, asked: Mapping[str, Json], tables: Tables, currency: str, window: Window, tally: Tally
) -> Iterator[tuple[Window, list[pa.Table]]]:
    """The tables of a window, which is halved until Direct can make the report of it."""
    days = window.days()
    for tried in range(1, TRIES_OF_A_DAY + 1):
        try:
            found = tables(direct.report(login, asked, window), login, currency)
        except TooMuchData as too_much:
            if len(days) > 1:
                break
            if tried == TRIES_OF_A_DAY:
                raise VendorError(
                    f"client {login}: a single day, {window.start}, is too much: {too_much}", **direct.answers.where
                ) from None
            tally.retry()
            tally.sleep(TRY_AGAIN_SECONDS)
        else:
            yield window, found
            return
    middle = days[len(days) // 2]
    for half in (Window(window.start, middle), Window(middle, window.end)):
        yield from _cut(direct, login, asked, tables, currency, half, tally)


def _parts(window: Window) -> Iterator[Window]:
    start = window.start
    while start < window.end:
        end = min(window.end, start + timedelta(days=REPORT_DAYS))
        yield Window(start, end)
        start = end


AD_PERFORMANCE = Stream(
    source=NAME,
    name="ad_performance",
    domain="ads",
    kind="report",
    key=("account_id", "date", *reports.KEYS),
    schema=schema(
        *reports.PERFORMANCE.values(),
        ("currency", pa.string()),
        ("include_vat", pa.string()),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    additive=True,
    earliest=earliest,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    read=read_ad_performance,
    changed_since=changed_since,
    description="Day x ad x network: impressions, clicks, cost, all conversions. Cost without VAT, unless the rules want it.",
)
AD_CONVERSIONS = Stream(
    source=NAME,
    name="ad_conversions",
    domain="ads",
    kind="report",
    key=("account_id", "date", *reports.KEYS, "goal_id"),
    schema=schema(
        *reports.OF_GOALS.values(),
        ("goal_id", pa.string()),
        ("attribution", pa.string()),
        ("currency", pa.string()),
        ("conversions", MONEY),
        ("revenue", MONEY),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    earliest=earliest,
    is_on=lambda settings: bool(settings.rules.goals),
    read=read_ad_conversions,
    changed_since=changed_since,
    description="Day x ad x network x goal: conversions of the goals that `sources.yandex_direct.goals` names.",
)
ADS = Stream(
    source=NAME,
    name="ads",
    domain="ads",
    kind="report",
    key=("account_id", "id"),
    schema=schema(
        *(
            (name, pa.string())
            for name in (
                "id", "campaign_id", "campaign_name", "ad_group_id", "ad_group_name", "state", "type", "href",
                "ad_group_tracking_params", "campaign_tracking_params", "address",
            )
        ),
        ("_filed_on", pa.date32()),
    ),
    day="_filed_on",
    restate_days=0,
    deep_restate_days=0,
    informs=("web", "leads", "orders"),  # whose campaigns the tags of links name
    sweep=sweep_ads,
    description="Ads with where they lead and the parameters that Direct adds.",
)  # fmt: skip
STREAMS = (AD_PERFORMANCE, AD_CONVERSIONS, ADS)

SOURCE = Source(
    name=NAME,
    title="Yandex.Direct",
    gives="ads by day in search and on networks, the goals that they brought, their links",
    settings=DirectSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="an application at oauth.yandex.ru with access to Direct's API (applied for in Direct: Tools > API) and a token of a "
    "user who sees the client",
    least_right="direct:api; a representative with the right to read, of the client or its agency",
    rules=RULES,
)
