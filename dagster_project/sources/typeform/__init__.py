"""Typeform: answers of respondents, a row for each question, with the hidden fields that say where they came from.

Belongs here: settings, calls and rows. Free text is what people type of themselves: it is kept of questions only that
surveys.questions of funnelhouse.yml names. IP, browser and what was typed into other questions are never stored.

https://www.typeform.com/developers/responses/reference/retrieve-responses/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import requests
from pydantic import SecretStr

from dagster_project.sources.typeform.descriptions import ABOUT, COLUMNS
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import AuthError, ConfigError, DriftError, Page, Stream, Tally, Window, schema
from dagster_project.wire.http import Http, Json, Verdict, start_of
from dagster_project.wire.identity import hash_email, redact_addresses, redact_answer
from dagster_project.wire.json_cells import UNREADABLE, instant
from dagster_project.wire.pacing import shared_pacer
from dagster_project.wire.rest import cursor_pages, each_account
from dagster_project.wire.source import Source
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

NAME = "typeform"
PAGE = 1000  # the most that a list gives
CALLS_PER_SECOND = 2
# The newest responses may be missing for up to half an hour: the day before is read again. Responses can be deleted at any
# time: the deep pass reads a month again.
RESTATE_DAYS, DEEP_RESTATE_DAYS, FINAL_AFTER_DAYS = 2, 31, 1
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
CLIENT_IDS = ("client_id", "ga_client_id", "_ga")
WHERE = {"source": NAME, "stream": "answers"}
_TEXT, _MOMENT = pa.string(), pa.timestamp("us", tz="UTC")
Record = Mapping[str, Json]


class TypeformSettings(SourceSettings):
    token: SecretStr = variable("TYPEFORM_TOKEN", "personal token with the scopes forms:read and responses:read")
    form_ids: CommaList = variable(
        "TYPEFORM_FORM_IDS", "ids of forms, as in typeform.com/to/<id>; several separated by commas", example="abc123"
    )
    base_url: HostAddress = variable(
        "TYPEFORM_BASE_URL", "of an account in the EU: https://api.eu.typeform.com", "https://api.typeform.com"
    )
    read_texts: frozenset[str] = frozenset()  # questions of which typed text is kept, in small letters

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"read_texts": given.rules.surveys.named}


class OddResponse(ValueError):
    """A response that has not the shape of one; the message says where, without values."""


# ---- calls ---------------------------------------------------------------------------------------------------


class _Form:
    """One form, as the token sees it."""

    def __init__(self, settings: TypeformSettings, form_id: str, tally: Tally) -> None:
        self.id = form_id
        token = settings.token.get_secret_value()
        self._pacer = shared_pacer((settings.base_url, token), CALLS_PER_SECOND, 1.0)
        self._http = Http(
            NAME, settings.base_url, tally, headers={"Authorization": f"Bearer {token}"}, judge=self._judge
        )

    def __enter__(self) -> _Form:
        self._http.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.__exit__(*error)

    def questions(self) -> dict[str, str]:
        """Id -> the question as it is asked; those inside of groups as well."""
        answer = self._http.get_json(f"/forms/{self.id}", pacer=self._pacer)
        fields = answer.get("fields") if isinstance(answer, dict) else None
        if not isinstance(fields, list):
            raise DriftError("the form's field 'fields' should be a list", **WHERE)
        return dict(_titles(fields))

    def responses(self, window: Window) -> Iterator[list[Json]]:
        """Pages of completed responses, newest first; the next one is what came before the last of a page."""

        def ask(before: str | None) -> Record:
            asked: dict[str, str | int] = {
                "page_size": PAGE, "since": f"{window.start}T00:00:00Z", "until": f"{window.end}T00:00:00Z",
                "response_type": "completed", **({"before": before} if before else {}),
            }  # fmt: skip
            answer = self._http.get_json(f"/forms/{self.id}/responses", params=asked, pacer=self._pacer)
            if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
                raise DriftError("the answer's field 'items' should be a list", **WHERE)
            return answer

        for page in cursor_pages(ask, _last_token, what="the list of responses", where=WHERE):
            yield page["items"]

    def _judge(self, response: requests.Response) -> Verdict | None:
        status, form = response.status_code, f"form {self.id}"
        if status in (401, 403):
            mend = "put a personal token with forms:read and responses:read there"
            said = f"{form}: TYPEFORM_TOKEN is refused ({status}): {start_of(response)}; {mend}"
            return Verdict(error=AuthError(said, **WHERE))
        if status == 404:
            return Verdict(
                error=ConfigError(
                    f"{form} is not there (404): is it in TYPEFORM_FORM_IDS as typeform.com/to/<id> has it?", **WHERE
                )
            )
        return None


def _last_token(page: Record) -> str | None:
    items = page["items"]
    pages = page.get("page_count")
    if not items or (isinstance(pages, int) and pages <= 1):
        return None
    last = items[-1]
    if not isinstance(last, dict) or not last.get("token"):
        raise DriftError("there is more after a page whose last response has no token", **WHERE)
    return str(last["token"])


def _titles(fields: list[Json]) -> Iterator[tuple[str, str]]:
    for field in fields:
        if isinstance(field, dict):
            yield str(field.get("id")), str(field.get("title"))
            inner = field.get("properties")
            if isinstance(inner, dict) and isinstance(inner.get("fields"), list):
                yield from _titles(inner["fields"])


# ---- rows ----------------------------------------------------------------------------------------------------


def read_answers(settings: TypeformSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: form, response, question."""

    def of_form(form_id: str) -> Iterator[Page]:
        with _Form(settings, form_id, tally) as form:
            questions = form.questions()
            seen: set[str] = set()
            for responses in form.responses(window):
                if page := _page(settings, form_id, questions, responses, window, seen, tally):
                    yield page

    yield from each_account(list(dict.fromkeys(settings.form_ids)), of_form, tally)


def _page(
    settings: TypeformSettings,
    form_id: str,
    questions: Mapping[str, str],
    responses: list[Json],
    window: Window,
    seen: set[str],
    tally: Tally,
) -> Page | None:
    rows: list[dict[str, Json]] = []
    odd: dict[int, str] = {}
    for response in responses:
        try:
            if not isinstance(response, dict):
                raise OddResponse(f"a response is a {type(response).__name__}, no object")
            if (token := str(response.get("token"))) in seen:
                continue
            seen.add(token)
            rows += [row for row in answer_rows(response, form_id, questions, settings) if _is_inside(row, window)]
        except OddResponse as reason:
            odd[len(rows)] = str(reason)
            rows.append(
                {"account_id": form_id, "response_id": response.get("token") if isinstance(response, dict) else None}
            )
    if not rows:
        return None
    table = to_table(ANSWERS, rows, tally=tally, odd=odd)
    return Page(table) if table.num_rows else None


def _is_inside(row: Mapping[str, Json], window: Window) -> bool:
    try:
        return instant(row["submitted_at"]).date() in window
    except UNREADABLE:
        return True  # it is told as a bad row


def answer_rows(
    response: Record, form_id: str, questions: Mapping[str, str], settings: TypeformSettings
) -> list[dict[str, Json]]:
    """A row for each answer of a response. Raises OddResponse."""
    answers, hidden = response.get("answers") or [], response.get("hidden") or {}
    if not isinstance(answers, list) or not isinstance(hidden, dict):
        raise OddResponse("field 'answers' should be a list, and 'hidden' an object")
    key = settings.hash_key.get_secret_value().encode()
    shared: dict[str, Json] = {tag: redact_addresses(_text(hidden, tag)) for tag in TAGS}
    shared |= {
        "response_id": response.get("token"),
        "submitted_at": response.get("submitted_at"),
        "account_id": form_id,
    }
    shared["client_id"] = redact_addresses(next((v for name in CLIENT_IDS if (v := _text(hidden, name))), None))
    addresses = [_text(hidden, "email"), *(_text(each, "email") for each in answers if isinstance(each, dict))]
    shared["email_hash"] = next((h for each in addresses if (h := hash_email(each, key))), None)
    rows = []
    for answer in answers:
        field = answer.get("field") if isinstance(answer, dict) else None
        if not isinstance(field, dict):
            raise OddResponse("an answer does not say of which question it is")
        question = questions.get(str(field.get("id")))
        names = {str(name).strip().lower() for name in (field.get("id"), field.get("ref"), question) if name}
        row = {"question_id": field.get("id"), "question_ref": field.get("ref"), "question_type": field.get("type")}
        row |= {"question": question, "answer_number": answer.get("number")}
        row["answer_text"] = _said(answer, is_text_read=bool(names & settings.read_texts))
        rows.append(shared | row)
    return rows


def _said(answer: Record, *, is_text_read: bool) -> str | None:
    """What was chosen; what was typed (a choice of one's own included) only where somebody reads it."""
    if isinstance(answer.get("boolean"), bool):
        return "yes" if answer["boolean"] else "no"
    chosen: list[str] = []
    one, several = answer.get("choice"), answer.get("choices")
    for holder in (one, several):
        if isinstance(holder, dict):
            labels = holder.get("labels", [holder.get("label")])
            chosen += [label for label in (labels if isinstance(labels, list) else []) if isinstance(label, str)]
            if is_text_read and (other := redact_answer(_text(holder, "other"))):
                chosen.append(other)
    if chosen:
        return "; ".join(chosen)
    return redact_answer(_text(answer, "text")) if is_text_read else None


def _text(holder: Record, name: str) -> str | None:
    value = holder.get(name)
    return value if isinstance(value, str) and value else None


ANSWERS = Stream(
    source=NAME,
    name="answers",
    domain="survey",
    kind="record",
    key=("account_id", "response_id", "question_id"),
    schema=schema(
        ("response_id", _TEXT),
        ("question_id", _TEXT),
        ("question_ref", _TEXT),
        ("question", _TEXT),
        ("question_type", _TEXT),
        ("submitted_at", _MOMENT),
        ("answer_number", pa.float64()),
        ("answer_text", _TEXT),
        ("email_hash", _TEXT),
        ("client_id", _TEXT),
        *((tag, _TEXT) for tag in TAGS),
    ),
    day="submitted_at",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    final_after_days=FINAL_AFTER_DAYS,
    begins="submitted_at",
    feeds=("surveys",),
    read=read_answers,
    description="A row for each answer of a completed response.",
)
STREAMS = (ANSWERS,)

SOURCE = Source(
    name=NAME,
    title="Typeform",
    gives="answers to the questions of surveys, with the hidden fields that the form was opened with",
    settings=TypeformSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    creates="a personal token (Settings > Personal tokens)",
    least_right="forms:read and responses:read",
)
