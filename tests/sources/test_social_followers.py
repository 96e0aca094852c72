"""Readers of followers over the wire, network by network: the sandbox, recorded bodies, and trouble in each dialect."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project import ingest
from dagster_project.raw.zone import RawZone
from dagster_project.sandbox import Sandbox, serve
from dagster_project.settings import load_settings
from dagster_project.sources import all_sources
from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    QuotaError,
    SourceError,
    Stream,
    Tally,
    VendorError,
    Window,
)
from tests.support.scripted_server import Reply, ScriptedServer

DAY = date(2026, 10, 1)


@dataclass(frozen=True)
class Network:
    """What is known of a network from its document, and of the company from its invention: 10,974 hours after the
    beginning of its history so many followers as it began with, so many a day more, and (10,974 x 7) mod 5 = 3 of the hour.
    """

    source: str
    stream: str
    counted: str  # the field with the followers
    followers: int
    accounts: str  # the variable that names them
    account: str
    recorded: str  # a body of the vendor: fixture folder and file
    in_recorded: int  # followers in it
    denied: tuple[str, str] = ("", "")  # an account that is refused, and what is said of it
    env: dict[str, str] = field(default_factory=dict)  # for a scripted server
    base_url: str = ""

    @property
    def id(self) -> str:
        return f"{self.source}/{self.stream}"


LINKEDIN = {
    "LINKEDIN_PAGES_CLIENT_ID": "c",
    "LINKEDIN_PAGES_CLIENT_SECRET": "s3cr3t-client",
    "LINKEDIN_PAGES_REFRESH_TOKEN": "s3cr3t-refresh",
}
NETWORKS = [
    Network(
        "youtube", "channels", "subscriberCount", 12_500, "YOUTUBE_CHANNEL_IDS", "@kontorra",  # 8,410 + 4,115 + 3
        "youtube/channels_200", 12_300, ("UC00000000000000000hides", "hides how many subscribers it has; show it"),
        {"YOUTUBE_API_KEY": "s3cr3t-key"}, "YOUTUBE_BASE_URL",
    ),
    Network(
        "vk", "communities", "members_count", 12_045 - 458 + 3, "VK_GROUP_IDS", "kontorra",
        "vk/groups_getbyid_200", 12_345, ("closed_club", "Access to group denied"),
        {"VK_ACCESS_TOKEN": "s3cr3t-token"}, "VK_BASE_URL",
    ),
    Network(
        "meta_social", "pages", "followers_count", 9_501 + 914 + 3, "FACEBOOK_PAGE_IDS", "100000000000001",
        "facebook_pages/page_200", 9_876, ("100000000000009", "give the token pages_read_engagement"),
        {"META_SOCIAL_ACCESS_TOKEN": "s3cr3t-token"}, "META_SOCIAL_BASE_URL",
    ),
    Network(
        "meta_social", "instagram_accounts", "followers_count", 4_321 + 3_200 + 3, "INSTAGRAM_ACCOUNT_IDS",
        "17840000000000001", "instagram/account_200", 4_321, ("17840000000000002", "Meta does not show it to this token"),
        {"META_SOCIAL_ACCESS_TOKEN": "s3cr3t-token"}, "META_SOCIAL_BASE_URL",
    ),
    Network(
        "linkedin_pages", "pages", "firstDegreeSize", 3_364 + 2_286 + 3, "LINKEDIN_ORGANIZATION_IDS", "1001",
        "linkedin_pages/network_size_200", 3_364, ("1009", "be an administrator of the page"),
        LINKEDIN, "LINKEDIN_PAGES_BASE_URL",
    ),
    Network(
        "x", "accounts", "followers_count", 1_200 + 0 + 3, "X_USERNAMES", "kontorra",
        "x/users_by_200", 1_200, ("kontorra_old", r"User has been suspended: \[kontorra_old\]"),
        {"X_BEARER_TOKEN": "s3cr3t-token"}, "X_BASE_URL",
    ),
    Network(
        "pinterest", "account", "follower_count", 610 + 457 + 3, "", "2783136121146311751",
        "pinterest/user_account_200", 10, ("", ""), {"PINTEREST_ACCESS_TOKEN": "s3cr3t-token"}, "PINTEREST_BASE_URL",
    ),
]  # fmt: skip
ALL = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.id)
BY_ID = {network.id: network for network in NETWORKS}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(today=str(DAY), vendors=sorted({network.source for network in NETWORKS})) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.calls.clear()
    yield running
    running.faults.clear()
    running.clock.set(str(DAY))


def stream_of(network: Network) -> Stream:
    return next(stream for stream in all_sources()[network.source].streams if stream.name == network.stream)


def read(network: Network, env: dict[str, str], **changed: str) -> tuple[list[dict[str, Any]], Tally]:
    tally, stream = Tally(), stream_of(network)
    of = all_sources()[network.source].settings.model_validate({**env, **changed})
    assert stream.is_on(of)
    pages = list(stream.read(of, Window.of_day(DAY), tally))  # type: ignore[misc]
    return pa.concat_tables([stream.schema.empty_table(), *(page.rows for page in pages)]).to_pylist(), tally


def counts(network: Network, rows: list[dict[str, Any]]) -> list[int]:
    return [row[network.counted] for row in rows]


def at(server: ScriptedServer, network: Network) -> dict[str, str]:
    """Settings for a server that gives LinkedIn's tokens, too."""
    account = {network.accounts: network.account} if network.accounts else {}
    signing_in = {"LINKEDIN_PAGES_TOKEN_URL": f"{server.url}/token-{time.monotonic_ns()}"}
    path = signing_in["LINKEDIN_PAGES_TOKEN_URL"].removeprefix(server.url)
    server.reply(Reply({"access_token": "s3cr3t-access", "expires_in": 3600}), path=path)
    return {**network.env, **account, **signing_in, network.base_url: server.url}


def recorded(shared_dir: Path, name: str) -> Reply:
    exchange = json.loads((shared_dir / f"fixtures/{name}.json").read_text())
    return Reply(exchange["body"], exchange["status"], exchange.get("headers", {}))


@ALL
def test_followers_are_those_of_the_company(sandbox: Sandbox, network: Network) -> None:
    rows, tally = read(network, sandbox.env)
    assert [(row["date"], row["account_id"], row[network.counted], row["_extra"]) for row in rows] == [
        (DAY, network.account, network.followers, None)
    ]
    # a night; 365 a year, and no backfill: nobody's quota is near. LinkedIn's first call signs in.
    assert tally.api_calls - (network.source in ("linkedin_pages", "pinterest")) in (0, 1)


@ALL
def test_recorded_bodies_become_a_row(shared_dir: Path, scripted: ScriptedServer, network: Network) -> None:
    scripted.reply(recorded(shared_dir, network.recorded))
    assert counts(network, read(network, at(scripted, network))[0]) == [network.in_recorded]


@ALL
@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], network: Network, fault: str) -> None:
    read(network, sandbox.env)  # whoever signs in has signed in
    sandbox.faults.set(network.source, fault, 1)
    rows, tally = read(network, sandbox.env)
    assert counts(network, rows) == [network.followers]
    assert tally.retries == 1
    if fault == "throttle" and network.source in ("meta_social", "x", "vk"):  # these say how long
        assert {"meta_social": [60.0], "vk": [1.0]}.get(network.source, [4.0]) == pytest.approx(waits[:1], abs=1)


@ALL
def test_an_empty_answer_is_asked_again(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float], network: Network
) -> None:
    scripted.reply(Reply(b""), recorded(shared_dir, network.recorded))
    assert counts(network, read(network, at(scripted, network))[0]) == [network.in_recorded]


@ALL
def test_trouble_that_stays_is_told_without_the_token(
    scripted: ScriptedServer, waits: list[float], network: Network
) -> None:
    scripted.rule(lambda asked: None if asked.path.startswith("/token") else Reply(f"down {asked.headers}", 503))
    with pytest.raises(VendorError, match="still fails after 6 attempts") as raised:
        read(network, at(scripted, network))
    assert "s3cr3t" not in str(raised.value)


@ALL
@pytest.mark.parametrize("value", ["many", None, 3.5, True])
def test_a_field_of_another_type_is_named(
    shared_dir: Path, scripted: ScriptedServer, network: Network, value: Any
) -> None:
    reply = recorded(shared_dir, network.recorded)
    scripted.reply(Reply(json.loads(json.dumps(reply.body), object_hook=lambda o: _retyped(o, network.counted, value))))
    with pytest.raises(DriftError, match=rf"{network.id}.*{network.counted}.*{'' if value is None else DAY}"):
        read(network, at(scripted, network))


def _retyped(record: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**record, name: value} if name in record else record


@ALL
@pytest.mark.parametrize("body", [[], {"data": None}, {"response": [1]}, {"items": [7]}, "text", 5], ids=str)
def test_an_answer_of_another_shape_is_an_error_and_no_row(
    scripted: ScriptedServer, waits: list[float], network: Network, body: Any
) -> None:
    scripted.reply(Reply(json.dumps(body)))
    with pytest.raises(SourceError):
        read(network, at(scripted, network))


@ALL
def test_an_unknown_field_is_kept_beside_or_not_taken(sandbox: Sandbox, network: Network) -> None:
    sandbox.faults.set(network.source, "unknown_field", 1)
    rows, _ = read(network, sandbox.env)
    assert counts(network, rows) == [network.followers]
    kept = {
        "vk": None,
        "pinterest": None,
        "x": '{"verified_followers_count": 5}',
    }  # of the first two, fields are chosen
    kept |= {"youtube": '{"engagedViewCount": "9"}', "linkedin_pages": '{"secondDegreeSize": 10}'}
    assert rows[0]["_extra"] == kept.get(network.source, '{"profile_views_count": 3}')


@pytest.mark.parametrize("network", [n for n in NETWORKS if n.denied[0]], ids=lambda network: network.id)
def test_a_denied_account_of_three_does_not_lose_the_others(sandbox: Sandbox, network: Network) -> None:
    denied, says = network.denied
    also = {"youtube": "UC000000000000000kontorr", "vk": "1000001"}.get(network.source)  # another name of the same
    three = [network.account, denied, *([also] if also else [])]
    rows, tally = read(network, sandbox.env, **{network.accounts: ",".join(three)})
    assert [row["account_id"] for row in rows] == [account for account in three if account != denied]
    assert list(tally.failed_accounts) == [denied]
    with pytest.raises(SourceError, match=says):
        raise tally.failed_accounts[denied]


@pytest.mark.parametrize(
    ("network_id", "fixture", "error", "says"),
    [
        ("youtube/channels", "youtube/channels_unknown_200", ConfigError, "no channel @kontorra; correct YOUTUBE_CHANNEL"),
        ("youtube/channels", "youtube/error_key_400", AuthError, "put a key in YOUTUBE_API_KEY"),
        ("youtube/channels", "youtube/error_quota_403", QuotaError, "exceeded your quota. It returns at midnight Pacific"),
        ("vk/communities", "vk/groups_banned_200", ConfigError, "kontorra is banned: nobody counts its members"),
        ("vk/communities", "vk/error_auth_200", AuthError, "service token in VK_ACCESS_TOKEN"),
        ("vk/communities", "vk/error_group_token_200", AuthError, "service token in VK_ACCESS_TOKEN"),
        ("vk/communities", "vk/error_day_limit_200", QuotaError, "quota of the day is used up"),
        ("meta_social/pages", "facebook_pages/error_permission_403", AuthError, "100000000000001: Meta refuses.*code 10"),
        ("meta_social/pages", "facebook_pages/error_throttle_400", QuotaError, "Run again in 12 minutes"),
        ("meta_social/instagram_accounts", "instagram/error_token_400", AuthError, "in META_SOCIAL_ACCESS_TOKEN"),
        ("linkedin_pages/pages", "linkedin_pages/error_access_403", AuthError, "Community Management API"),
        ("linkedin_pages/pages", "linkedin_pages/error_version_426", ConfigError, "set LINKEDIN_PAGES_API_VERSION"),
        ("linkedin_pages/pages", "linkedin_pages/error_day_quota_429", QuotaError, "returns at midnight UTC"),
        ("x/accounts", "x/error_client_forbidden_403", AuthError, "a developer App that is attached to a Project"),
        ("x/accounts", "x/error_usage_cap_429", QuotaError, "raise the cap"),
        ("x/accounts", "x/error_token_401", AuthError, "in X_BEARER_TOKEN"),
        ("pinterest/account", "pinterest/error_401", AuthError, "in PINTEREST_ACCESS_TOKEN"),
        ("pinterest/account", "pinterest/error_403", AuthError, "user_accounts:read"),
    ],
)  # fmt: skip
def test_recorded_refusals_say_what_to_do(
    shared_dir: Path, scripted: ScriptedServer, waits: list[float], network_id: str, fixture: str,
    error: type[SourceError], says: str,
) -> None:  # fmt: skip
    env = at(scripted, BY_ID[network_id])
    scripted.reply(recorded(shared_dir, fixture))
    with pytest.raises(error, match=says):
        read(BY_ID[network_id], env)
    assert len([asked for asked in scripted.asked if not asked.path.startswith("/token")]) == 1
    assert waits == []


def test_a_token_that_has_ended_is_renewed_once(shared_dir: Path, scripted: ScriptedServer, waits: list[float]) -> None:
    linkedin = BY_ID["linkedin_pages/pages"]
    env = at(scripted, linkedin)
    token = env["LINKEDIN_PAGES_TOKEN_URL"].removeprefix(scripted.url)
    scripted.reply(Reply({"access_token": "another", "expires_in": 3600}), path=token)
    ended = recorded(shared_dir, "linkedin_pages/error_token_401")
    scripted.reply(ended, recorded(shared_dir, linkedin.recorded))
    assert counts(linkedin, read(linkedin, env)[0]) == [3_364]
    assert [asked.headers.get("authorization") for asked in scripted.asked if asked.method == "GET"] == [
        "Bearer s3cr3t-access",
        "Bearer another",
    ]
    scripted.reply(Reply({"access_token": "a third", "expires_in": 3600}), path=token)
    scripted.reply(ended, ended)
    with pytest.raises(AuthError, match="LINKEDIN_PAGES_REFRESH_TOKEN"):
        read(linkedin, env)


def test_pinterest_renews_its_token_where_it_can(sandbox: Sandbox, scripted: ScriptedServer) -> None:
    pinterest = BY_ID["pinterest/account"]
    assert counts(pinterest, read(pinterest, sandbox.env, PINTEREST_ACCESS_TOKEN="ended")[0]) == [pinterest.followers]
    alone = {name: sandbox.env[name] for name in ("PINTEREST_BASE_URL", "PINTEREST_ACCESS_TOKEN")}
    assert counts(pinterest, read(pinterest, alone)[0]) == [pinterest.followers]
    with pytest.raises(AuthError, match="make a token with user_accounts:read"):
        read(pinterest, {**alone, "PINTEREST_ACCESS_TOKEN": "ended"})


def test_a_refused_refresh_token_says_what_to_do(sandbox: Sandbox) -> None:
    with pytest.raises(AuthError, match=r"invalid or expired; sign in anew as an administrator"):
        read(BY_ID["linkedin_pages/pages"], sandbox.env, LINKEDIN_PAGES_REFRESH_TOKEN="over")


def test_x_says_what_it_costs(sandbox: Sandbox) -> None:
    _, tally = read(BY_ID["x/accounts"], sandbox.env, X_USERNAMES="@kontorra,kontorra_old")
    assert tally.notes == ["X charges for each account and day: about $0.60 a month for these (prices of August 2026)"]
    assert tally.quota == {"calls_left_of_15_minutes": 299}


def test_a_version_that_answers_instead_is_told(scripted: ScriptedServer) -> None:
    pages = BY_ID["meta_social/pages"]
    scripted.reply(Reply({"id": "1", "followers_count": 3}, headers={"facebook-api-version": "v26.0"}))
    assert read(pages, at(scripted, pages))[1].notes == ["asked for v27.0 of Meta's API, answered by v26.0"]


@pytest.mark.parametrize(
    ("source", "env", "says"),
    [
        ("youtube", {"YOUTUBE_API_KEY": "k", "YOUTUBE_CHANNEL_IDS": "kontorra"}, "'kontorra' is no channel"),
        ("vk", {"VK_ACCESS_TOKEN": "t", "VK_GROUP_IDS": "https://vk.com/a"}, "is no community"),
        ("meta_social", {"META_SOCIAL_ACCESS_TOKEN": "t"}, "needs FACEBOOK_PAGE_IDS, INSTAGRAM_ACCOUNT_IDS or both"),
        ("meta_social", {"META_SOCIAL_ACCESS_TOKEN": "t", "FACEBOOK_PAGE_IDS": "shop"}, "'shop' is no id of a page"),
        ("linkedin_pages", {**LINKEDIN, "LINKEDIN_ORGANIZATION_IDS": "shop"}, "'shop' is no page"),
        ("x", {"X_BEARER_TOKEN": "t", "X_USERNAMES": "https://x.com/a"}, "is no account"),
        ("pinterest", {"PINTEREST_ACCESS_TOKEN": "t", "PINTEREST_CLIENT_ID": "1"}, "set all or none"),
    ],
)
def test_what_names_no_account_is_refused_before_it_is_asked(source: str, env: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        all_sources()[source].settings.model_validate(env)


def test_a_past_day_never_gets_todays_count(sandbox: Sandbox, tmp_path: Path) -> None:
    zone, env = RawZone(tmp_path / "raw"), {**sandbox.env, "FUNNELHOUSE_HOME": str(tmp_path)}
    streams = [stream_of(network) for network in NETWORKS]

    def run(mode: ingest.Mode, asked: Window | None = None) -> set[str]:
        of = load_settings({**env, "FUNNELHOUSE_TODAY": str(sandbox.clock.today())}, folder=tmp_path)
        return {outcome.status for outcome in ingest.run(of, zone, streams, mode, asked)}

    assert run("refresh") == {"ok"}
    sandbox.clock.set(datetime(2026, 10, 4, 6, tzinfo=UTC))  # two nights are missed
    assert run("backfill", Window(date(2026, 9, 1), date(2026, 10, 4))) == {"skipped"}
    assert run("refresh") == {"ok"}
    for network, stream in zip(NETWORKS, streams, strict=True):
        assert list(zone.extracted_days(stream)) == [DAY, date(2026, 10, 4)]
        assert zone.read_day(stream, DAY)[network.counted].to_pylist() == [network.followers]
