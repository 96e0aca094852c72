"""Lives written down as records: contacts, deals, companies and form submissions, each field with its history."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from dagster_project.sandbox.company.business import (
    ANSWERS,
    ANSWERS_AT_A_FAIR,
    ANSWERS_OF_OTHERS,
    COMPANY_SUFFIXES,
    FORMS,
    LEAVER,
    OWNER_LEFT_AT,
    OWNERS,
    PIPELINES,
    SELF_REPORTED_SINCE_MS,
    SELF_SERVICE_PIPELINE,
    TRADES,
)
from dagster_project.sandbox.company.days import DAY_MS, HOUR_MS, MINUTE_MS, datetime_of, ms_of
from dagster_project.sandbox.company.people import Filling, Lives, Person, Sale
from dagster_project.sandbox.company.phones import as_typed, numbers
from dagster_project.sandbox.company.tables import SITE_HOST, Association, Change, Record, Submission, Web
from dagster_project.sandbox.company.tags import KINDS, utm_parameters
from dagster_project.sandbox.company.visits import COUNTRIES, Visits
from dagster_project.sandbox.company.web import Landings

CLICK_PARAMETERS = ("gclid", "gbraid", "wbraid", "fbclid", "yclid", "msclkid", "ttclid", "li_fat_id")
STAGES = {stage.id: stage for pipeline in PIPELINES for stage in pipeline.stages}

HAVE_PHONE = 0.45


@dataclass(frozen=True)
class Written:
    contacts: tuple[Record, ...]
    deals: tuple[Record, ...]
    companies: tuple[Record, ...]
    submissions: tuple[Submission, ...]
    ids: Mapping[str, str]  # landmark -> ids, joined by comma


def write(
    rng: np.random.Generator,
    of_answers: np.random.Generator,
    lives: Lives,
    visits: Visits,
    web: Web,
    landings: Landings,
) -> Written:
    """Ids by order of creation, then every field with its history."""
    fillings: dict[int, list[Filling]] = defaultdict(list)
    for filling in sorted(lives.fillings, key=lambda filling: filling.at_ms):
        fillings[filling.person].append(filling)
    sales: list[tuple[Sale, Person | None]] = [(sale, person) for person in lives.people for sale in person.sales]
    sales += [(sale, None) for sale in lives.loose_sales]

    contact_ids = _ids(150_000_101, 13, [person.created_ms for person in lives.people])
    deal_ids = _ids(23_400_000_017, 29, [sale.created_ms for sale, _ in sales])
    company_ids = [str(8_800_000_003 + n * 7) for n in range(lives.companies)]
    id_of_sale = {id(sale): deal_id for (sale, _), deal_id in zip(sales, deal_ids, strict=True)}

    sessions = _SessionIds(web, landings)
    draws = rng.random((len(lives.people), 8)).tolist()
    phones = numbers(lives.people, [u[1] < HAVE_PHONE for u in draws])
    answers = _answers(of_answers, lives.people, fillings, visits)
    contacts = [
        _contact(person, contact_ids, fillings[person.number], landings, sessions, phone, answer, u)
        for person, phone, answer, u in zip(lives.people, phones, answers, draws, strict=True)
    ]
    draws = rng.random((len(sales), 3)).tolist()
    deals = [
        _deal(sale, person, contacts, id_of_sale, company_ids, u)
        for (sale, person), u in zip(sales, draws, strict=True)
    ]
    companies = _companies(rng, lives, company_ids)
    submissions = _submissions(rng, lives, contacts, landings, sessions, phones, answers)
    landmarks = {
        name: ",".join(contacts[who.number].id if isinstance(who, Person) else id_of_sale[id(who)] for who in found)
        for name, found in lives.fates.items()
    }
    return Written(
        tuple(sorted(contacts, key=_by_id)),
        tuple(sorted(deals, key=_by_id)),
        tuple(companies),
        tuple(submissions),
        landmarks | {"archived_owner": OWNERS[LEAVER].id},
    )


def _by_id(record: Record) -> int:
    return int(record.id)


def _ids(first: int, step: int, created_ms: Sequence[int]) -> list[str]:
    rank = np.argsort(np.argsort(created_ms, kind="stable"), kind="stable")
    return [str(first + step * n) for n in rank.tolist()]


class _SessionIds:
    """Session and client id of a visit, where it was recorded."""

    def __init__(self, web: Web, landings: Landings) -> None:
        self._row = landings.row.tolist()
        self._session_ids = web.sessions["session_id"].to_pylist()
        self._client_ids = web.sessions["client_id"].to_pylist()

    def session_id(self, visit: int) -> str | None:
        return self._session_ids[self._row[visit]] if self._row[visit] >= 0 else None

    def client_id(self, visit: int) -> str | None:
        return self._client_ids[self._row[visit]] if self._row[visit] >= 0 else None


def _contact(
    person: Person,
    contact_ids: Sequence[str],
    fillings: Sequence[Filling],
    landings: Landings,
    sessions: _SessionIds,
    phone: tuple[str, int] | None,
    answer: str | None,
    u: Sequence[float],
) -> Record:
    changes: dict[str, list[Change]] = defaultdict(list)
    is_import = person.form < 0
    how = "import" if is_import else "form"

    def put(name: str, value: Any, at_ms: int = person.created_ms, by: str = how) -> None:
        if value is not None:
            changes[name].append(Change(datetime_of(at_ms), value, by))

    country = COUNTRIES[person.country]
    put("email", person.email)
    put("first_name", person.first_name)
    put("last_name", person.last_name)
    put("country", (country if u[0] < 0.93 else country.lower()) if u[0] < 0.97 else None)
    put("phone", as_typed(country, phone, u[1]))
    put("heard_from", answer)
    previous = None
    for at_ms, stage, by in sorted(person.stages):
        if stage != previous:
            put("stage", stage, at_ms, by)
        previous = stage

    if person.visitor < len(landings.row) and fillings and fillings[0].at_ms == person.created_ms:
        first, made_by = person.visitor, fillings[0].visit
        put("origin", landings.source[first])
        put("first_page", _address(landings, first))
        put("last_page", _address(landings, made_by))
        put("first_form", FORMS[person.form].form.name)
        for name, value in _hidden_fields(landings.query[made_by], sessions.client_id(made_by)):
            # On every fourth record the tags are only in the addresses: a form without the hidden fields.
            if FORMS[person.form].has_tag_fields and (u[2] < 0.75 or name == "client_id"):
                put(name, value)
    for filling in fillings:
        if filling.at_ms > person.created_ms:
            put("last_page", _address(landings, filling.visit), filling.at_ms, "form")
            put("last_form", FORMS[filling.form].form.name, filling.at_ms, "form")

    # A sales rep takes over when the person is more than a subscriber.
    taken_ms = next((at_ms for at_ms, stage, _ in sorted(person.stages) if stage != "subscriber"), None)
    if taken_ms is not None:
        for at_ms, owner in _owners(person.owner, taken_ms + 6 * MINUTE_MS, None, u[3]):
            put("owner", OWNERS[owner].id, at_ms, "hand")
    if person.merged_ms is None and u[4] < 0.2:
        put("job_title", "Owner", person.created_ms + int(1 + 90 * DAY_MS * u[5]), "hand")

    record = Record(contact_ids[person.number], datetime_of(person.created_ms), dict(changes))
    record.archived_at = datetime_of(person.archived_ms) if person.archived_ms else None
    record.deleted_at = datetime_of(person.deleted_ms) if person.deleted_ms else None
    if person.merged_ms and person.original:
        record.merged_at = datetime_of(person.merged_ms)
        record.merged_into = contact_ids[person.original.number]
    return record


def _owners(owner: int, from_ms: int, until_ms: int | None, u: float) -> list[tuple[int, int]]:
    """Who owns a record and since when: what the leaver still held was handed over, mostly."""
    left_ms = ms_of(OWNER_LEFT_AT)
    successor = int(u * 100) % LEAVER
    if owner != LEAVER:
        return [(from_ms, owner)]
    if from_ms >= left_ms:
        return [(from_ms, successor)]
    is_over = until_ms is not None and until_ms <= left_ms
    if is_over or u > 0.6:
        return [(from_ms, owner)]
    return [(from_ms, owner), (left_ms + int(u * 5 * HOUR_MS), successor)]


def _answers(
    rng: np.random.Generator, people: Sequence[Person], fillings: Mapping[int, Sequence[Filling]], visits: Visits
) -> list[str | None]:
    """What each person says of where they heard of the company, if they were asked and say anything."""
    answers: list[str | None] = []
    for person, (says, honest, which) in zip(people, rng.random((len(people), 3)).tolist(), strict=True):
        asked = person.form >= 0 and FORMS[person.form].has_tag_fields and person.created_ms >= SELF_REPORTED_SINCE_MS
        words: Sequence[str] = ()
        if person.form < 0:
            words = ANSWERS_AT_A_FAIR if says < 0.7 else ()
        elif asked and says < 0.6 and fillings[person.number]:
            kind = KINDS[visits.kind[fillings[person.number][0].visit]]
            words = ANSWERS.get(kind, ANSWERS_OF_OTHERS) if honest < 0.7 else ANSWERS_OF_OTHERS
        answers.append(words[int(which * len(words))] if words else None)
    return answers


def _address(landings: Landings, visit: int) -> str:
    query = landings.query[visit]
    return f"https://{SITE_HOST}{landings.path[visit]}" + (f"?{query}" if query else "")


def _hidden_fields(query: str, client_id: str | None) -> list[tuple[str, str]]:
    """What the form's script puts into its hidden fields: the landing's tags as the browser decodes them."""
    names = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
    found = utm_parameters(query) | {k: v for k, v in parse_qsl(query) if k in CLICK_PARAMETERS}
    fields = [(name, found[name]) for name in (*names, *CLICK_PARAMETERS) if name in found]
    return [*fields, ("client_id", client_id)] if client_id else fields


def _deal(
    sale: Sale,
    person: Person | None,
    contacts: Sequence[Record],
    id_of_sale: Mapping[int, str],
    company_ids: Sequence[str],
    u: Sequence[float],
) -> Record:
    changes: dict[str, list[Change]] = defaultdict(list)

    def put(name: str, value: Any, at_ms: int = sale.created_ms, by: str = "hand") -> None:
        if value is not None:
            changes[name].append(Change(datetime_of(at_ms), value, by))

    is_self_service = sale.pipeline == SELF_SERVICE_PIPELINE
    by = "checkout" if is_self_service else "hand"
    what = sale.product or "Offer"
    whose = person.last_name if person else "walk-in"
    put("name", f"Refund: {what} {whose}" if sale.refund_of else f"{what} {whose}")
    put("pipeline", sale.pipeline)
    put("currency", sale.currency)
    put("product", sale.product)
    put("amount", sale.amount)
    put("refund_of", id_of_sale[id(sale.refund_of)] if sale.refund_of else None)
    is_closed = False
    for at_ms, stage in sale.stages:
        put("stage", stage, at_ms, by)
        if stage == "contract" and sale.amount is not None:
            put("amount", sale.discounted_amount, at_ms)
        # The close date is a guess until the deal closes, and again when it is reopened.
        if STAGES[stage].is_closed:
            put("closes_at", datetime_of(at_ms), at_ms, by)
        elif is_closed or at_ms == sale.created_ms:
            put("closes_at", datetime_of(at_ms + 30 * DAY_MS), at_ms, by)
        is_closed = STAGES[stage].is_closed
    for at_ms, owner in _owners(person.owner if person else 0, sale.created_ms, sale.closed_ms, u[0]):
        if not is_self_service:
            put("owner", OWNERS[owner].id, at_ms)

    created_at = datetime_of(sale.created_ms)
    record = Record(id_of_sale[id(sale)], created_at, dict(changes))
    record.archived_at = datetime_of(sale.archived_ms) if sale.archived_ms else None
    if person and sale.has_contact:
        linked = [Association(contacts[person.number].id, True, created_at)]
        colleague = person.colleague
        if colleague and colleague.created_ms < sale.closed_ms and not sale.refund_of:
            # Added once the colleague is known, which is no change of the deal.
            since = datetime_of(max(sale.created_ms, colleague.created_ms) + 2 * HOUR_MS)
            linked.append(Association(contacts[colleague.number].id, False, since))
        record.associations["contacts"] = linked
    if sale.company >= 0:
        record.associations["companies"] = [Association(company_ids[sale.company], True, created_at)]
    return record


def _companies(rng: np.random.Generator, lives: Lives, company_ids: Sequence[str]) -> list[Record]:
    first: dict[int, tuple[int, str]] = {}
    for person in lives.people:
        if person.company >= 0:
            first.setdefault(person.company, (person.created_ms, person.last_name))
    for sale in lives.loose_sales:
        if sale.company >= 0:
            first.setdefault(sale.company, (sale.created_ms - HOUR_MS, "Walk-in"))
    trades = rng.integers(0, len(TRADES), len(company_ids)).tolist()
    records = []
    for number, company_id in enumerate(company_ids):
        created_ms, name = first[number]
        created_at = datetime_of(created_ms)
        full_name = f"{TRADES[trades[number]]} {name}{COMPANY_SUFFIXES[number % len(COMPANY_SUFFIXES)]}"
        records.append(Record(company_id, created_at, {"name": [Change(created_at, full_name, "hand")]}))
    return records


def _submissions(
    rng: np.random.Generator,
    lives: Lives,
    contacts: Sequence[Record],
    landings: Landings,
    sessions: _SessionIds,
    phones: Sequence[tuple[str, int] | None],
    answers: Sequence[str | None],
) -> list[Submission]:
    guids = rng.integers(0, 2**63, (len(lives.fillings), 2)).tolist()
    typed = rng.random(len(lives.fillings)).tolist()
    submissions = []
    for filling, (high, low), u in zip(lives.fillings, guids, typed, strict=True):
        person, plan = lives.people[filling.person], FORMS[filling.form]
        query = landings.query[filling.visit]
        # People type capitals and a space behind, or let the phone do it.
        values = [("email", f"{person.email.title()} " if u < 0.06 else person.email)]
        values += [("first_name", person.first_name), ("last_name", person.last_name)]
        if (phone := as_typed(COUNTRIES[person.country], phones[person.number], u)) and u > 0.6:
            values.append(("phone", phone))
        if (answer := answers[person.number]) and filling.at_ms == person.created_ms:
            values.append(("heard_from", answer))
        hidden = _hidden_fields(query, sessions.client_id(filling.visit))
        values += hidden if plan.has_tag_fields else []
        submissions.append(
            Submission(
                str(uuid.UUID(int=(high << 64) | low, version=4)),
                plan.form.id,
                datetime_of(filling.at_ms),
                _address(landings, filling.visit) if u < 0.8 else f"https://{SITE_HOST}/demo",
                tuple(values),
                contacts[filling.person].id,
                sessions.session_id(filling.visit),
            )
        )
    return sorted(submissions, key=lambda submission: submission.submitted_at, reverse=True)
