"""What Microsoft's answers mean: its fault codes, and refusals to sign in.

https://learn.microsoft.com/advertising/guides/operation-error-codes and
https://learn.microsoft.com/advertising/guides/services-protocol#throttling
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import requests

from dagster_project.wire.contract import AuthError, ConfigError, QuotaError, SourceError, Tally, VendorError
from dagster_project.wire.http import Json, Verdict, parsed_json, redact
from dagster_project.wire.retrying import Interrupted

SOURCE = "microsoft_ads"
INTERNAL_ERROR, INVALID_CREDENTIALS, NOT_AUTHORIZED, TOKEN_EXPIRED, CALL_RATE, CONCURRENT = 0, 105, 106, 109, 117, 207
NO_COMPLETE_DATA, WRONG_ACCOUNT, UNKNOWN_REPORT = 2004, 2035, 2100
TOO_OLD_A_DAY = 2009
NAMES = {
    "InternalError": INTERNAL_ERROR,
    "InvalidCredentials": INVALID_CREDENTIALS,
    "UserIsNotAuthorized": NOT_AUTHORIZED,
    "AuthenticationTokenExpired": TOKEN_EXPIRED,
    "CallRateExceeded": CALL_RATE,
    "ConcurrentRequestOverLimit": CONCURRENT,
    "ReportingServiceInvalidAccountIds": WRONG_ACCOUNT,
    "ReportingServiceInvalidReportId": UNKNOWN_REPORT,
    "ReportingServiceInvalidCustomDateRangeStart": TOO_OLD_A_DAY,
}
# calls are counted in a sliding window of 60 seconds
CALL_RATE_WAIT_SECONDS, CONCURRENT_WAIT_SECONDS = 60.0, 30.0


class Fault(NamedTuple):
    code: int | None
    said: str


class ReportIsGone(Exception):
    """The service no longer knows the report, or its address: ask for it anew."""


class Answers:
    """Judges the answers to one stream's calls."""

    def __init__(self, stream: str, tally: Tally) -> None:
        self.where = {"source": SOURCE, "stream": stream}
        self._tally = tally

    def judge(self, response: requests.Response) -> Verdict | None:
        """None leaves an answer to its status."""
        if response.status_code < 400 or not (faults := list(_faults(response))):
            return None
        fault = next((each for each in faults if each.code is not None), faults[0])
        account = response.request.headers.get("CustomerAccountId", "")
        return self._meaning(fault, f"account {account}: {fault.said}", response.status_code)

    def _meaning(self, fault: Fault, said: str, status: int) -> Verdict | None:
        code = fault.code
        if code == UNKNOWN_REPORT:
            raise ReportIsGone(said)
        if code == CALL_RATE:
            return Verdict(wait_seconds=CALL_RATE_WAIT_SECONDS)
        if code == CONCURRENT:  # waiting for one's turn is no failed attempt
            full = QuotaError(
                f"other reports are being made, by other programs as well: {said}; run again later",
                retry_after_seconds=CONCURRENT_WAIT_SECONDS,
                **self.where,
            )
            raise Interrupted(said, CONCURRENT_WAIT_SECONDS, is_quota=True, otherwise=full)
        if code in (TOKEN_EXPIRED, INVALID_CREDENTIALS) or (code is None and status == 401):
            mend = "are MICROSOFT_ADS_DEVELOPER_TOKEN and MICROSOFT_ADS_REFRESH_TOKEN of the same environment and user?"
            return Verdict(error=AuthError(f"{said}; {mend}", **self.where), is_login_ended=True)
        refusal: SourceError
        if code == NOT_AUTHORIZED:
            mend = (
                "give the user of MICROSOFT_ADS_REFRESH_TOKEN the role Viewer on this account, or take it out of "
                "MICROSOFT_ADS_ACCOUNT_ID; is MICROSOFT_ADS_CUSTOMER_ID its customer?"
            )
            refusal = AuthError(f"{said}; {mend}", **self.where)
        elif code == WRONG_ACCOUNT:
            refusal = ConfigError(f"{said}; is MICROSOFT_ADS_ACCOUNT_ID right?", **self.where)
        elif code == TOO_OLD_A_DAY:
            refusal = VendorError(f"{said}; daily figures reach back 36 months", **self.where)
        elif code == INTERNAL_ERROR or status in (408, 429) or status >= 500:
            return Verdict()
        else:
            refusal = VendorError(f"Microsoft refuses: {said}", **self.where)
        return Verdict(error=refusal)


def judge_sign_in(response: requests.Response) -> Verdict | None:
    """What a refusal of the token endpoint means."""
    if response.status_code not in (400, 401):
        return None
    try:
        answer = response.json()
        code, said = str(answer["error"]), str(answer.get("error_description", "")).partition("\r\n")[0]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if code == "invalid_grant":
        mend = "sign in again and put the new token in MICROSOFT_ADS_REFRESH_TOKEN"
    elif code in ("invalid_client", "unauthorized_client"):
        mend = (
            "correct MICROSOFT_ADS_CLIENT_ID and MICROSOFT_ADS_CLIENT_SECRET (its value, not its id; has it expired?)"
        )
    else:
        mend = "check MICROSOFT_ADS_TOKEN_URL and the MICROSOFT_ADS_* credentials"
    return Verdict(
        error=AuthError(f"Microsoft refuses the refresh token ({code}: {redact(said)}); {mend}", source=SOURCE)
    )


def _faults(response: requests.Response) -> Iterator[Fault]:
    """The errors of a fault: which of its lists they stand in depends on the service."""
    try:
        body = parsed_json(response.content)
    except (ValueError, RecursionError):
        return
    if not isinstance(body, dict):
        return
    tracking = body.get("TrackingId", "unknown")
    for name in ("Errors", "OperationErrors", "BatchErrors"):
        for each in body.get(name) or []:
            if isinstance(each, dict):
                yield Fault(_code(each), f"{redact(_text(each))} (tracking id {tracking})")


def _code(each: dict[str, Json]) -> int | None:
    if (by_name := NAMES.get(str(each.get("ErrorCode")))) is not None:
        return by_name
    code = each.get("Code")
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _text(each: dict[str, Json]) -> str:
    said = [str(each[name]) for name in ("ErrorCode", "Message", "Details", "Detail") if each.get(name)]
    return f"{': '.join(said) or 'no message'} (code {each.get('Code', 'unknown')})"
