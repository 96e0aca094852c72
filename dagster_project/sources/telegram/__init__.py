"""Telegram: how many people are members of the company's channels and groups, by the Bot API.

Belongs here: all of the source. The Bot API knows the number of this moment and no history, no views, nobody's comings
and goings; the number is exact. One call a channel and day: a year of nights is 365 calls a channel, and the limit of
bots (about 30 calls a second) is far away.

https://core.telegram.org/bots/api#getchatmembercount
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import requests
from pydantic import SecretStr, field_validator

from dagster_project.sources.telegram.descriptions import ABOUT, COLUMNS
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    Page,
    QuotaError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
    schema,
)
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.pacing import in_words, shared_pacer
from dagster_project.wire.rest import each_account
from dagster_project.wire.retrying import Interrupted
from dagster_project.wire.source import Source
from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, variable

NAME, STREAM = "telegram", "members"
CALLS_A_SECOND = 10  # a bot may make about 30


class TelegramSettings(SourceSettings):
    token: SecretStr = variable("TELEGRAM_BOT_TOKEN", "of a bot, as @BotFather gives it")
    channels: CommaList = variable(
        "TELEGRAM_CHANNELS",
        "names with @ or numeric ids of channels and groups, separated by commas",
        example="@example_channel",
    )
    base_url: HostAddress = variable("TELEGRAM_BASE_URL", "", "https://api.telegram.org")

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, channels: list[str]) -> list[str]:
        for channel in channels:
            if not (channel.startswith("@") and len(channel) > 1) and not channel.removeprefix("-").isdigit():
                raise ValueError(f"{channel!r} is no channel; allowed are such as @example_channel or -1001234567890")
        return channels


def read_members(settings: TelegramSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, channel. Two calls a channel: who it is (its id stays when its name changes), and how many follow it."""
    token = settings.token.get_secret_value()
    with Http(NAME, settings.base_url, tally, judge=partial(_judge, token)) as http:
        ask = partial(_ask, http, token)
        yield from each_account(settings.channels, lambda channel: _channel(ask, channel, window, tally), tally)


def _channel(ask: partial[Json], channel: str, window: Window, tally: Tally) -> Iterator[Page]:
    chat = ask("getChat", channel)
    if not isinstance(chat, dict):
        raise DriftError(f"{channel}: getChat gives no chat", source=NAME, stream=STREAM)
    members = ask("getChatMemberCount", channel)
    record = {
        "date": window.last,
        "account_id": channel,
        "chat_id": chat.get("id"),
        "title": chat.get("title"),
        "chat_type": chat.get("type"),
        "members": members,
    }
    yield Page(to_table(MEMBERS, [record], required=("members",)))


def _ask(http: Http, token: str, method: str, channel: str) -> Json:
    # The token is in the path, so no message may show a path: what http says of it is said again without.
    pacer = shared_pacer((NAME, http.base_url, token), CALLS_A_SECOND, 1.0)
    try:
        answer = http.get_json(f"/bot{token}/{method}", params={"chat_id": channel}, pacer=pacer)
    except SourceError as error:
        said = str(error).removeprefix(f"{NAME}: ").replace(token, "(token)")
        if isinstance(error, QuotaError):
            raise QuotaError(
                f"{channel}: {said}", retry_after_seconds=error.retry_after_seconds, source=NAME, stream=STREAM
            ) from None
        raise type(error)(f"{channel}: {said}", source=NAME, stream=STREAM) from None
    if not isinstance(answer, dict) or answer.get("ok") is not True or "result" not in answer:
        raise VendorError(
            f"{channel}: {method} answers without a result; is TELEGRAM_BASE_URL right?", source=NAME, stream=STREAM
        )
    return answer["result"]


def _judge(token: str, response: requests.Response) -> Verdict | None:
    """What an answer means; the status is in the body, too, beside words for people."""
    if response.status_code < 400:
        return None
    try:
        body = response.json()
        code, said = int(body["error_code"]), str(body["description"]).replace(token, "(token)")[:200]
        wait = (body.get("parameters") or {}).get("retry_after")
    except (ValueError, KeyError, TypeError, AttributeError):
        if response.status_code in (401, 404):
            return Verdict(error=AuthError(_BAD_TOKEN.format(response.status_code), source=NAME))
        if response.status_code < 429:
            return Verdict(error=VendorError(f"the answer is {response.status_code} without a reason", source=NAME))
        raise Interrupted(f"status {response.status_code}") from None
    if code == 429:
        seconds = float(wait) if isinstance(wait, int | float) else None
        waits = f"Run again in {in_words(seconds)}. " if seconds else ""
        used_up = QuotaError(
            f"{said}. {waits}What was loaded before is untouched", retry_after_seconds=seconds, source=NAME
        )
        return Verdict(wait_seconds=seconds, error=used_up if seconds else None)
    if code in (401, 404):  # a token of another form is a path that is not there
        return Verdict(error=AuthError(_BAD_TOKEN.format(said), source=NAME))
    if code == 403:
        mend = "add the bot to the channel as an administrator without any right"
        return Verdict(error=AuthError(f"{said}; {mend}", source=NAME))
    if code == 400:
        mend = "correct TELEGRAM_CHANNELS; a private channel is named by its numeric id, and the bot must be in it"
        return Verdict(error=ConfigError(f"{said}; {mend}", source=NAME))
    if code >= 500:
        raise Interrupted(f"status {code}: {said}")
    return Verdict(error=VendorError(said, source=NAME))


_BAD_TOKEN = "the bot's token is refused ({}); put the one that @BotFather shows in TELEGRAM_BOT_TOKEN"

MEMBERS = Stream(
    source=NAME,
    name=STREAM,
    domain="social",
    kind="snapshot",
    key=("account_id", "date"),
    schema=schema(
        ("date", pa.date32()),
        ("chat_id", pa.string()),
        ("title", pa.string()),
        ("chat_type", pa.string()),
        ("members", pa.int64()),
    ),
    day="date",
    restate_days=0,  # there is no other moment than now
    deep_restate_days=0,
    feeds=("followers",),
    read=read_members,
    description="Members of channels and groups on the day itself; no past day can be asked.",
)

SOURCE = Source(
    name=NAME,
    title="Telegram",
    gives="members of channels by day, from the day on which it is switched on",
    settings=TelegramSettings,
    streams=(MEMBERS,),
    about=ABOUT,
    columns=COLUMNS,
    creates="a bot (@BotFather, /newbot), added to each channel as an administrator",
    least_right="no right at all: every right of the administrator is switched off",
)
