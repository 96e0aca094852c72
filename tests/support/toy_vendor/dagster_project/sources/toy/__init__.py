"""Toy Ads, an invented ad platform: what it spent by day and campaign. All that a source must have, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, SecretStr

from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import Page, Stream, Tally, Window, schema
from dagster_project.wire.http import Http
from dagster_project.wire.rest import cursor_pages, each_account
from dagster_project.wire.source import OwnRules, Source
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

NAME = "toy"


class ToyRules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    with_paused: bool = True


RULES = OwnRules("sources.toy", ToyRules, ToyRules())


class ToySettings(SourceSettings):
    access_token: SecretStr = variable("TOY_ACCESS_TOKEN", "the key that Toy Ads shows once")
    account_ids: CommaList = variable("TOY_ACCOUNT_ID", "several separated by commas", example="toy-1")
    base_url: HostAddress = variable("TOY_BASE_URL", "another endpoint", "https://api.toy.example")
    with_paused: bool = True

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"with_paused": given.rules.own(RULES.key).with_paused}


def read_days(settings: ToySettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, account, campaign. Cost in cents."""
    headers = {"Authorization": f"Bearer {settings.access_token.get_secret_value()}"}
    with Http(NAME, settings.base_url, tally, headers=headers) as http:
        yield from each_account(settings.account_ids, partial(_account, http, settings, window, tally), tally)


def _account(http: Http, settings: ToySettings, window: Window, tally: Tally, account_id: str) -> Iterator[Page]:
    asked = {"account": account_id, "from": str(window.start), "to": str(window.last)}
    if not settings.with_paused:
        asked["status"] = "active"

    def ask(cursor: str | None) -> Any:
        return http.get_json("/v1/days", params=asked | ({"after": cursor} if cursor else {}))

    for answer in cursor_pages(ask, lambda answer: answer["next"]):
        rows = [row | {"account_id": account_id} for row in answer["rows"]]
        yield Page(to_table(DAYS, rows, required=("spend_cents", "currency"), tally=tally))


DAYS = Stream(
    source=NAME,
    name="campaign_days",
    domain="ads",
    kind="report",
    key=("account_id", "date", "campaign"),
    schema=schema(
        ("date", pa.date32()),
        ("campaign", pa.string()),
        ("title", pa.string()),
        ("currency", pa.string()),
        ("shown", pa.int64()),
        ("clicked", pa.int64()),
        ("spend_cents", pa.int64()),
    ),
    day="date",
    restate_days=2,
    deep_restate_days=7,
    additive=True,
    feeds=("media", "cost", "ads", "ads.impressions", "ads.clicks"),
    read=read_days,
    description="Day x campaign of Toy Ads: shown, clicked, spent.",
)
STREAMS = (DAYS,)

SOURCE = Source(
    name=NAME,
    title="Toy Ads",
    gives="campaigns by day",
    settings=ToySettings,
    streams=STREAMS,
    creates="a key (Settings > Keys)",
    least_right="scope read_reports",
    rules=RULES,
)
