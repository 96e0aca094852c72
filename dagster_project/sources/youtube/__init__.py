"""YouTube: how many subscribers the company's channels have, by the Data API.

Belongs here: all of the source. YouTube rounds the number down to three digits, and knows no past. One call a channel and
day, a unit of the 10,000 that a project has a day.

https://developers.google.com/youtube/v3/docs/channels/list
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import requests
from pydantic import SecretStr, field_validator

from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    Page,
    QuotaError,
    Tally,
    VendorError,
    Window,
)
from dagster_project.wire.followers import followers_stream, looked_at
from dagster_project.wire.http import Http, Json, Verdict
from dagster_project.wire.source import Source
from dagster_project.wire.variables import CommaList, HostAddress, SourceSettings, variable

NAME, STREAM = "youtube", "channels"
WHERE = {"source": NAME, "stream": STREAM}
# A description and pictures are not asked for.
FIELDS = "items(id,snippet(title,customUrl),statistics(subscriberCount,hiddenSubscriberCount,viewCount,videoCount))"
_CHANNEL = re.compile(r"UC[\w-]{22}|@[^\s/]+")


class YoutubeSettings(SourceSettings):
    api_key: SecretStr = variable("YOUTUBE_API_KEY", "of a Google Cloud project with the YouTube Data API v3 on")
    channels: CommaList = variable(
        "YOUTUBE_CHANNEL_IDS", "ids that begin with UC, or @handles, separated by commas", example="@example_channel"
    )
    base_url: HostAddress = variable("YOUTUBE_BASE_URL", "", "https://www.googleapis.com")

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, channels: list[str]) -> list[str]:
        for channel in channels:
            if not _CHANNEL.fullmatch(channel):
                raise ValueError(f"{channel!r} is no channel; allowed are such as @example_channel or UC and 22 signs")
        return channels


def read_channels(settings: YoutubeSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, channel."""
    with Http(NAME, settings.base_url, tally, judge=_judge) as http:
        key = settings.api_key.get_secret_value()
        yield from looked_at(
            CHANNELS,
            settings.channels,
            lambda channel: _look(http, key, channel),
            window,
            tally,
            count="subscriberCount",
        )


def _look(http: Http, key: str, channel: str) -> dict[str, Json]:
    named = {"forHandle": channel} if channel.startswith("@") else {"id": channel}
    answer = http.get_json(
        "/youtube/v3/channels", params={"part": "snippet,statistics", "fields": FIELDS, **named, "key": key}
    )
    if not isinstance(answer, dict):
        raise VendorError("the answer is no list of channels; is YOUTUBE_BASE_URL right?", **WHERE)
    if not (items := answer.get("items")):  # an unknown channel is a list without items, and no error
        raise ConfigError(f"there is no channel {channel}; correct YOUTUBE_CHANNEL_IDS", **WHERE)
    try:
        found, statistics = items[0], dict(items[0]["statistics"])
        is_hidden = statistics.pop("hiddenSubscriberCount", False)
        snippet = found.get("snippet") or {}
        record = {"id": found["id"], "title": snippet.get("title"), "customUrl": snippet.get("customUrl")}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise DriftError(f"{channel}: a channel has not the shape of one", **WHERE) from None
    if is_hidden is True:
        mend = "show it (YouTube Studio > Settings > Channel > Advanced), or take it out of YOUTUBE_CHANNEL_IDS"
        raise ConfigError(f"{channel} hides how many subscribers it has; {mend}", **WHERE)
    return {**record, **statistics}


def _judge(response: requests.Response) -> Verdict | None:
    """What an answer means: the daily quota is a 403, a wrong key a 400; the reason stands in the body."""
    if response.status_code < 400 or response.status_code >= 500:
        return None
    try:
        error = response.json()["error"]
        said, reasons = str(error["message"]), {str(each.get("reason")) for each in error.get("errors") or []}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    said = re.sub(r"<[^>]*>", "", said)[:200]  # the quota's sentence has a link in it
    if reasons & {"quotaExceeded", "dailyLimitExceeded"}:
        then = "It returns at midnight Pacific time; what was loaded before is untouched"
        return Verdict(
            error=QuotaError(
                f"the project's quota of the day is used up: {said} {then}", retry_after_seconds=None, **WHERE
            )
        )
    if response.status_code == 429 or reasons & {"rateLimitExceeded", "userRateLimitExceeded"}:
        return Verdict()
    if response.status_code in (401, 403) or "API key" in said:
        mend = "put a key in YOUTUBE_API_KEY whose project has the YouTube Data API v3 on and that no site or address is restricted from"
        return Verdict(error=AuthError(f"YouTube refuses: {said}; {mend}", **WHERE))
    return Verdict(error=VendorError(said, **WHERE))


CHANNELS = followers_stream(
    NAME,
    STREAM,
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("customUrl", pa.string()),
        ("subscriberCount", pa.int64()),
        ("viewCount", pa.int64()),
        ("videoCount", pa.int64()),
    ],
    read_channels,
    "Subscribers of channels on the day itself; no past day can be asked.",
)

SOURCE = Source(
    name=NAME,
    title="YouTube",
    gives="subscribers of channels by day, rounded by YouTube, from the day on which it is switched on",
    settings=YoutubeSettings,
    streams=(CHANNELS,),
    about="YouTube Data API: what is true at the moment of reading.",
    columns={
        "date": "Day on which it was looked.",
        "id": "Id that stays when the channel gets another handle.",
        "title": "Title of the channel.",
        "customUrl": "Its handle.",
        "subscriberCount": "Subscribers at that moment, rounded down to three digits.",
        "viewCount": "Views of all its videos since they are there.",
        "videoCount": "Public videos.",
        "account_id": "The channel as the settings name it.",
    },
    creates="a Google Cloud project with the YouTube Data API v3 on, and an API key in it",
    least_right="a key that is restricted to the YouTube Data API v3; no right in the channel",
)
