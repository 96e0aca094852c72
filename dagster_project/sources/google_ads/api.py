"""Google Ads' REST interface: signing in, the streamed answers, and the vendor's dialect of errors.

What is asked is in `reports`, what becomes of it in `rows`.

https://developers.google.com/google-ads/api/rest/overview
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import ijson
import requests

from dagster_project.wire.contract import (
    AuthError,
    ConfigError,
    DriftError,
    QuotaError,
    SourceError,
    Tally,
    VendorError,
)
from dagster_project.wire.http import Http, Json, Verdict, redact
from dagster_project.wire.oauth import Bearer, Grant, refresh_grant, shared_token
from dagster_project.wire.pacing import duration_seconds, in_words
from dagster_project.wire.retrying import Interrupted, until_whole

if TYPE_CHECKING:
    from dagster_project.sources.google_ads.settings import GoogleAdsSettings

SOURCE = "google_ads"

Row = dict[str, Json]

# No WHERE: a manager without enabled accounts must not look like an account that is no manager.
HIERARCHY_QUERY = "SELECT customer_client.id, customer_client.manager, customer_client.status FROM customer_client"

_TRANSIENT = {"INTERNAL_ERROR", "TRANSIENT_ERROR", "DEADLINE_EXCEEDED"}
_STALE_TOKEN = {None, "AUTHENTICATION_ERROR", "OAUTH_TOKEN_EXPIRED", "OAUTH_TOKEN_INVALID"}


@dataclass(frozen=True)
class Account:
    """An advertiser's account, and the manager account through which it is reached (None: directly)."""

    id: str
    login_id: str | None


class SignInError(AuthError):
    """Google gives no access token: nothing can be asked, of no account."""


class AccountOff(Exception):
    """This account is cancelled or was never set up; others may be fine."""


class GoogleAds:
    """One read's connection: authorised, and fluent in the vendor's errors."""

    def __init__(self, settings: GoogleAdsSettings, stream: str, tally: Tally) -> None:
        self._settings, self._tally = settings, tally
        self._where = {"source": SOURCE, "stream": stream}
        self._http = Http(
            SOURCE,
            settings.base_url,
            tally,
            headers=_developer_token(settings),
            auth=Bearer(shared_token(_grant(settings)), tally),
            judge=self._judge,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def accounts(self) -> list[Account]:
        """The accounts to read: those that are named, and the enabled ones below those that are managers.

        One query per named account. Accounts that cannot be read are told to the tally: those that are off are
        skipped, those that are denied or fail have failed.
        """
        found: dict[str, Account] = {}
        manager = self._settings.login_customer_id
        for named in self._settings.customer_ids:
            account = Account(_digits(named), _digits(manager) if manager else None)
            try:
                clients = [row["customerClient"] for row in self._all_rows(account, HIERARCHY_QUERY)]
            except AccountOff as off:
                self._tally.skip_account(account.id, str(off))
                continue
            except SourceError as error:
                self._tally.fail_account(account.id, error)
                if isinstance(error, SignInError):  # it is refused for all of them alike
                    raise
                continue
            # An account that is no manager is listed as its own and only client, or not at all.
            if not any(client.get("manager") for client in clients):
                found.setdefault(account.id, account)
                continue
            for client in clients:
                status = client.get("status", "UNSPECIFIED")
                if client.get("manager"):
                    continue
                if status == "ENABLED":
                    found.setdefault(client["id"], Account(client["id"], account.login_id or account.id))
                else:
                    self._tally.skip_account(client["id"], f"its status is {status}")
        return list(found.values())

    def batches(self, account: Account, query: str) -> Iterator[list[Row]]:
        """The rows of each batch of a `searchStream` answer, as it arrives; one batch is in memory at a time.

        Raises Interrupted when the stream stops before its end, in whatever way; what came before is good.
        Raises AccountOff, or a SourceError with what to do.
        """
        batches = ijson.sendable_list()
        parser = ijson.items_coro(batches, "item", use_float=True)
        is_array = False
        answer = self._http.stream(
            "POST",
            f"/{self._settings.api_version}/customers/{account.id}/googleAds:searchStream",
            json={"query": query},
            headers={"login-customer-id": account.login_id} if account.login_id else {},
        )
        as_text = codecs.getincrementaldecoder("utf-8")("replace")  # one odd byte must not spoil the whole answer
        with closing(answer) as chunks:
            for raw in chunks:
                if not (chunk := as_text.decode(raw).encode()):
                    continue
                if not is_array and (start := chunk.lstrip()):
                    is_array = start.startswith(b"[")
                    if not is_array:
                        raise VendorError(
                            f"account {account.id}: the answer is no JSON array (starts "
                            f"{redact(repr(start[:80]))}); is GOOGLE_ADS_BASE_URL right?",
                            **self._where,
                        )
                try:
                    parser.send(chunk)
                except ijson.JSONError:
                    raise Interrupted("the answer is broken JSON") from None
                for batch in batches:
                    if rows := self._rows(account, batch):
                        yield rows
                batches.clear()
        try:
            parser.close()
        except ijson.JSONError:
            raise Interrupted("the answer stops in the middle") from None

    def pause(self, failures: int, interrupted: Interrupted, account: Account) -> None:
        """Waits before a stream is asked again; raises a SourceError after too many failures in a row."""
        self._http.pause(failures, interrupted, f"the report of account {account.id}")

    def _all_rows(self, account: Account, query: str) -> list[Row]:
        """All rows of a short answer; asked again from the start when it breaks."""
        return until_whole(
            lambda: [row for rows in self.batches(account, query) for row in rows],
            lambda failures, interrupted: self.pause(failures, interrupted, account),
        )

    def _rows(self, account: Account, batch: Mapping[str, Json]) -> list[Row]:
        if "error" in batch:  # an error can follow good batches, after the status said 200
            self._meaning(batch["error"], account.id).act(redact(_summary(batch["error"])))
        if "queryResourceConsumption" in batch:
            self._tally.see_quota(query_resource_consumption=float(batch["queryResourceConsumption"]))
        return batch.get("results", [])

    # ---- errors --------------------------------------------------------------------------------------------

    def _judge(self, response: requests.Response) -> Verdict | None:
        """What an answer with an error status means; None leaves it to the status."""
        if response.status_code < 400:
            return None
        account = urlsplit(response.url).path.split("/")[3:4]
        try:
            body = response.json()
            error = (body[0] if isinstance(body, list) else body)["error"]
            return self._meaning(error, *account)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            if response.status_code == 404:  # a version that is long gone answers with a web page
                return Verdict(error=self._version_is_gone("its address is not found (404)."))
            return None

    def _meaning(self, error: Mapping[str, Json], account: str = "") -> Verdict:
        """What an error object means, wherever it stood: as the whole answer, or inside a stream."""
        codes, said = _codes(error), redact(_summary(error))
        who = f"account {account}: " if account else ""

        if "quotaError" in codes:
            return self._quota(error, who, said)
        if codes.get("internalError") in _TRANSIENT:
            return Verdict()
        if codes.get("requestError") == "UNSUPPORTED_VERSION" or "Requests to this version will be blocked" in said:
            return Verdict(error=self._version_is_gone(said))
        if codes.get("authorizationError") == "CUSTOMER_NOT_ENABLED":
            raise AccountOff("it is cancelled or not yet enabled (CUSTOMER_NOT_ENABLED)")
        if codes.get("authorizationError") == "USER_PERMISSION_DENIED":
            mend = (
                "the signed-in user may not read it. Give that user access; where the account is reached "
                "through a manager account, put the manager's id in GOOGLE_ADS_LOGIN_CUSTOMER_ID"
            )
            return Verdict(error=AuthError(f"{who}{mend}", **self._where))
        if codes.get("authenticationError") == "CUSTOMER_NOT_FOUND":
            return Verdict(error=ConfigError(f"{who}there is none; correct GOOGLE_ADS_CUSTOMER_ID", **self._where))
        if error.get("code") in (401, 403) or {"authenticationError", "authorizationError"} & codes.keys():
            is_stale = error.get("code") == 401 and codes.get("authenticationError") in _STALE_TOKEN
            return Verdict(error=AuthError(f"{who}Google refuses: {said}", **self._where), is_login_ended=is_stale)
        if codes.get("queryError") in ("UNRECOGNIZED_FIELD", "PROHIBITED_FIELD_IN_SELECT_CLAUSE"):
            mend = f"version {self._settings.api_version} (GOOGLE_ADS_API_VERSION) does not have this field"
            return Verdict(error=DriftError(f"{said}; {mend}", **self._where))
        if "clickViewError" in codes or "dateRangeError" in codes:
            mend = "clicks reach back 90 days, daily figures 37 months: ask for a later start"
            return Verdict(error=VendorError(f"{who}{said}; {mend}", **self._where))
        if error.get("code") in (429, 500, 502, 503, 504):
            return Verdict()
        return Verdict(error=VendorError(f"{who}{said}", **self._where))

    def _quota(self, error: Mapping[str, Json], who: str, said: str) -> Verdict:
        """Wait as long as it says; where that is too long, this error."""
        details = next((found for failure in _failures(error) if (found := _quota_details(failure))), {})
        wait = duration_seconds(details.get("retryDelay"))
        if wait is None:
            return Verdict()
        used_up = QuotaError(
            f"{who}Google's quota is used up: {said}, {details.get('rateName', 'unnamed rate')}. "
            f"Run again in {in_words(wait)}, or apply for a higher access level of the Google Cloud "
            "project. What was loaded before is untouched",
            retry_after_seconds=wait,
            **self._where,
        )
        return Verdict(wait_seconds=wait, error=used_up)

    def _version_is_gone(self, said: str) -> SourceError:
        return ConfigError(
            f"Google no longer serves version {self._settings.api_version} of its Ads API: {said} "
            "Set GOOGLE_ADS_API_VERSION to one that is served, see "
            "https://developers.google.com/google-ads/api/docs/sunset-dates",
            **self._where,
        )


def _failures(error: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    return [failure for detail in error.get("details", []) for failure in detail.get("errors", [])]


def _codes(error: Mapping[str, Json]) -> dict[str, str]:
    """Kind -> code of all errors, e.g. {"quotaError": "RESOURCE_EXHAUSTED"}; the last of a kind wins."""
    return {kind: code for failure in _failures(error) for kind, code in failure.get("errorCode", {}).items()}


def _quota_details(failure: Mapping[str, Json]) -> Mapping[str, Json]:
    return failure.get("details", {}).get("quotaErrorDetails", {})


def _summary(error: Mapping[str, Json]) -> str:
    """The vendor's words, with its codes and the request id that its support asks for."""
    said = [failure.get("message", "").strip() for failure in _failures(error)] or [str(error.get("message", ""))]
    codes = ", ".join(f"{kind}.{code}" for kind, code in _codes(error).items()) or error.get("status", "no status")
    request_id = next((d["requestId"] for d in error.get("details", []) if d.get("requestId")), None)
    return f"{' '.join(said)} ({codes}{f', request {request_id}' if request_id else ''})"


def _developer_token(settings: GoogleAdsSettings) -> dict[str, str]:
    """The header, only when it is set: ignored since 9 September 2026, to be refused by a later version."""
    token = settings.developer_token
    return {"developer-token": token.get_secret_value()} if token else {}


def _digits(customer_id: str) -> str:
    """ "123-456-7890", as people write it, is 1234567890 to the API."""
    return customer_id.replace("-", "")


# ---- signing in ---------------------------------------------------------------------------------------------


def _grant(settings: GoogleAdsSettings) -> Grant:
    return refresh_grant(
        SOURCE,
        settings.token_url,
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        refresh_token=settings.refresh_token.get_secret_value(),
        judge=_judge_token_answer,
        wrong_address="is GOOGLE_OAUTH_TOKEN_URL right?",
    )


def _judge_token_answer(response: requests.Response) -> Verdict | None:
    if response.status_code not in (400, 401):
        return None
    try:
        answer = response.json()
        code, said = answer["error"], answer.get("error_description", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if code == "invalid_grant":
        mend = (
            "sign in again and put the new token in GOOGLE_ADS_REFRESH_TOKEN. A token ends when access is "
            "revoked, after six months without use, and after 7 days while the OAuth consent screen is in "
            "status Testing"
        )
    elif code in ("invalid_client", "unauthorized_client"):
        mend = (
            "correct GOOGLE_ADS_CLIENT_ID and GOOGLE_ADS_CLIENT_SECRET: the pair that the refresh token was made with"
        )
    else:
        mend = "check GOOGLE_OAUTH_TOKEN_URL and the GOOGLE_ADS_* credentials"
    return Verdict(error=SignInError(f"Google refuses the refresh token ({code}: {said}); {mend}", source=SOURCE))
