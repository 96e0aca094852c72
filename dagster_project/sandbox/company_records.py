"""The CRM as HubSpot would hold it: lives written down as records, and what those show at a moment."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import numpy as np

from dagster_project.sandbox.company_crm import Filling, Lives, Person, Sale
from dagster_project.sandbox.company_days import DAY_MS, HOUR_MS, MINUTE_MS, datetime_of, ms_of
from dagster_project.sandbox.company_portal import (
    ANSWERS,
    ANSWERS_AT_A_FAIR,
    ANSWERS_OF_OTHERS,
    COMPANY_SUFFIXES,
    FORMS,
    LEAVER,
    OWNER_LEFT_AT,
    OWNERS,
    PIPELINES,
    SELF_REPORTED,
    SELF_REPORTED_SINCE_MS,
    SELF_SERVICE_PIPELINE,
    TRADES,
)
from dagster_project.sandbox.company_tables import (
    SITE_HOST,
    Association,
    Change,
    Record,
    RecordView,
    Submission,
    Web,
)
from dagster_project.sandbox.company_tags import KINDS, TrafficSource, utm_parameters
from dagster_project.sandbox.company_web import COUNTRIES, Landings, Visits

CLICK_PARAMETERS = ("gclid", "gbraid", "wbraid", "fbclid", "yclid", "msclkid", "ttclid", "li_fat_id")
STAGES = {stage.id: stage for pipeline in PIPELINES for stage in pipeline.stages}

# HubSpot's own words for where a contact came from, by Google's channel.
ANALYTICS_SOURCES = {
    "Paid Search": "PAID_SEARCH",
    "Cross-network": "PAID_SEARCH",
    "Paid Shopping": "PAID_SEARCH",
    "Display": "OTHER_CAMPAIGNS",
    "Paid Video": "OTHER_CAMPAIGNS",
    "Paid Social": "PAID_SOCIAL",
    "Organic Search": "ORGANIC_SEARCH",
    "Organic Social": "SOCIAL_MEDIA",
    "Organic Video": "SOCIAL_MEDIA",
    "Referral": "REFERRALS",
    "Email": "EMAIL_MARKETING",
    "AI Assistant": "AI_REFERRALS",
    "Direct": "DIRECT_TRAFFIC",
}
# Numbers set aside for fiction by the regulators of Germany, Great Britain and the US, as people type them: area, line.
PHONES = {
    "DE": ("+49 {} {:03d}", "0{}-{:03d}", "0049 {}{:03d}"),
    "GB": ("+44 {}{:03d}", "0{} {:03d}"),
    "US": ("+1 {}-555-0{:03d}", "({}) 555-0{:03d}"),
}
AREAS = {
    "DE": ("30 23125", "69 90009", "40 66969", "221 4710", "89 99998"),
    "GB": ("7700 900", "20 7946 0", "161 496 0", "131 496 0"),
    "US": ("202", "212", "303", "312", "404", "415", "503", "512", "617", "702", "713", "808", "917"),
}
FIRST_LINE = {"US": 100}  # 555-0100 to 555-0199
HAVE_PHONE = 0.45
# One colleague in three gives the company's switchboard for a number, where another contact has given it before.
SWITCHBOARD_EVERY = 3


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
    """Ids by order of creation, then every property with its history."""
    fillings: dict[int, list[Filling]] = defaultdict(list)
    for filling in sorted(lives.fillings, key=lambda filling: filling.at_ms):
        fillings[filling.person].append(filling)
    sales = [(sale, person) for person in lives.people for sale in person.sales]
    sales += [(sale, None) for sale in lives.loose_sales]

    contact_ids = _ids(150_000_101, 13, [person.created_ms for person in lives.people])
    deal_ids = _ids(23_400_000_017, 29, [sale.created_ms for sale, _ in sales])
    company_ids = [str(8_800_000_003 + n * 7) for n in range(lives.companies)]
    id_of_sale = {id(sale): deal_id for (sale, _), deal_id in zip(sales, deal_ids, strict=True)}

    sessions = _SessionIds(web, landings)
    draws = rng.random((len(lives.people), 8)).tolist()
    phones = _numbers(lives.people, [u[1] < HAVE_PHONE for u in draws])
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


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    how = "IMPORT" if is_import else "FORM"

    def put(name: str, value: str | None, at_ms: int = person.created_ms, by: str = how) -> None:
        if value is not None:
            changes[name].append(Change(datetime_of(at_ms), value, by))

    country = COUNTRIES[person.country]
    put("email", person.email)
    put("firstname", person.first_name)
    put("lastname", person.last_name)
    put("country", (country if u[0] < 0.93 else country.lower()) if u[0] < 0.97 else None)
    put("phone", _phone(country, phone, u[1]))
    put(SELF_REPORTED, answer)
    previous = None
    for at_ms, stage, source_type in sorted(person.stages):
        if stage != previous:
            put("lifecyclestage", stage, at_ms, source_type)
        previous = stage

    if person.visitor < len(landings.row) and fillings and fillings[0].at_ms == person.created_ms:
        first, made_by = person.visitor, fillings[0].visit
        put("hs_analytics_source", _analytics(landings.source[first])[0])
        put("hs_analytics_source_data_1", _analytics(landings.source[first])[1])
        put("hs_analytics_source_data_2", _analytics(landings.source[first])[2])
        put("hs_analytics_first_url", _address(landings, first))
        put("hs_analytics_last_url", _address(landings, made_by))
        put("first_conversion_event_name", FORMS[person.form].form.name)
        for name, value in _hidden_fields(landings.query[made_by], sessions.client_id(made_by)):
            # On every fourth record the tags are only in the addresses: a form without the hidden fields.
            if FORMS[person.form].has_tag_fields and (u[2] < 0.75 or name == "ga_client_id"):
                put(name, value)
    elif is_import:
        put("hs_analytics_source", "OFFLINE")
        put("hs_analytics_source_data_1", "IMPORT")
    for filling in fillings:
        if filling.at_ms > person.created_ms:
            put("hs_analytics_last_url", _address(landings, filling.visit), filling.at_ms, "FORM")
            put("recent_conversion_event_name", FORMS[filling.form].form.name, filling.at_ms, "FORM")

    # A sales rep takes over when the person is more than a subscriber.
    taken_ms = next((at_ms for at_ms, stage, _ in sorted(person.stages) if stage != "subscriber"), None)
    if taken_ms is not None:
        for at_ms, owner in _owners(person.owner, taken_ms + 6 * MINUTE_MS, None, u[3]):
            put("hubspot_owner_id", OWNERS[owner].id, at_ms, "CRM_UI")
    if person.merged_ms is None and u[4] < 0.2:
        put("jobtitle", "Owner", person.created_ms + int(1 + 90 * DAY_MS * u[5]), "CRM_UI")

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


def _numbers(people: Sequence[Person], have_one: Sequence[bool]) -> list[tuple[str, int] | None]:
    """Area and line of each person's telephone: their own, but for those who share a company's switchboard."""
    given: dict[str, int] = defaultdict(int)
    of_company: dict[int, tuple[str, int]] = {}
    colleagues, numbers = 0, []
    for person, has_one in zip(people, have_one, strict=True):
        country = COUNTRIES[person.country]
        number = numbers[person.original.number] if person.original else None
        if number is None and has_one and country in PHONES:
            switchboard = of_company.get(person.company) if person.company >= 0 else None
            colleagues += switchboard is not None
            if switchboard and colleagues % SWITCHBOARD_EVERY == 0:
                number = switchboard
            else:
                number, given[country] = _line(country, given[country]), given[country] + 1
        if number and person.company >= 0:
            of_company.setdefault(person.company, number)
        numbers.append(number if has_one else None)
    return numbers


def _line(country: str, count: int) -> tuple[str, int]:
    areas, first = AREAS[country], FIRST_LINE.get(country, 0)
    lines = 100 if first else 1000
    return areas[
        count // lines % len(areas)
    ], first + count * 37 % lines  # 37: neighbours in the list are none on the phone


def _phone(country: str, number: tuple[str, int] | None, u: float) -> str | None:
    shapes = PHONES.get(country)
    return shapes[int(u * 1000) % len(shapes)].format(*number) if shapes and number else None


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


def _analytics(source: TrafficSource) -> tuple[str, str | None, str | None]:
    """hs_analytics_source and its two details."""
    name = ANALYTICS_SOURCES.get(source.channel_group, "OTHER_CAMPAIGNS")
    if name == "DIRECT_TRAFFIC":
        return name, None, None
    if name in ("PAID_SEARCH", "PAID_SOCIAL", "EMAIL_MARKETING", "OTHER_CAMPAIGNS"):
        return name, source.campaign_name, source.source
    return name, source.source, None


def _address(landings: Landings, visit: int) -> str:
    query = landings.query[visit]
    return f"https://{SITE_HOST}{landings.path[visit]}" + (f"?{query}" if query else "")


def _hidden_fields(query: str, client_id: str | None) -> list[tuple[str, str]]:
    """What the form's script puts into its hidden fields: the landing's tags as the browser decodes them."""
    names = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
    found = utm_parameters(query) | {k: v for k, v in parse_qsl(query) if k in CLICK_PARAMETERS}
    fields = [(name, found[name]) for name in (*names, *CLICK_PARAMETERS) if name in found]
    return [*fields, ("ga_client_id", client_id)] if client_id else fields


def _deal(
    sale: Sale,
    person: Person | None,
    contacts: Sequence[Record],
    id_of_sale: Mapping[int, str],
    company_ids: Sequence[str],
    u: Sequence[float],
) -> Record:
    changes: dict[str, list[Change]] = defaultdict(list)

    def put(name: str, value: str | None, at_ms: int = sale.created_ms, by: str = "CRM_UI") -> None:
        if value is not None:
            changes[name].append(Change(datetime_of(at_ms), value, by))

    is_self_service = sale.pipeline == SELF_SERVICE_PIPELINE
    by = "INTEGRATION" if is_self_service else "CRM_UI"
    what = sale.product or "Offer"
    whose = person.last_name if person else "walk-in"
    put("dealname", f"Refund: {what} {whose}" if sale.refund_of else f"{what} {whose}")
    put("pipeline", sale.pipeline)
    put("deal_currency_code", sale.currency)
    put("product", sale.product)
    put("amount", _amount(sale.amount))
    put("refund_of_deal_id", id_of_sale[id(sale.refund_of)] if sale.refund_of else None)
    is_closed = False
    for at_ms, stage in sale.stages:
        put("dealstage", stage, at_ms, by)
        if stage == "contractsent" and sale.amount is not None:
            put("amount", _amount(sale.discounted_amount), at_ms)
        # The close date is a guess until the deal closes, and again when it is reopened.
        if STAGES[stage].is_closed:
            put("closedate", _iso(datetime_of(at_ms)), at_ms, by)
        elif is_closed or at_ms == sale.created_ms:
            put("closedate", _iso(datetime_of(at_ms + 30 * DAY_MS)), at_ms, by)
        is_closed = STAGES[stage].is_closed
    for at_ms, owner in _owners(person.owner if person else 0, sale.created_ms, sale.closed_ms, u[0]):
        if not is_self_service:
            put("hubspot_owner_id", OWNERS[owner].id, at_ms)

    created_at = datetime_of(sale.created_ms)
    record = Record(id_of_sale[id(sale)], created_at, dict(changes))
    record.archived_at = datetime_of(sale.archived_ms) if sale.archived_ms else None
    if person and sale.has_contact:
        linked = [Association(contacts[person.number].id, True, created_at)]
        colleague = person.colleague
        if colleague and colleague.created_ms < sale.closed_ms and not sale.refund_of:
            # Added once the colleague is known, which the deal's last-modified time does not tell.
            since = datetime_of(max(sale.created_ms, colleague.created_ms) + 2 * HOUR_MS)
            linked.append(Association(contacts[colleague.number].id, False, since))
        record.associations["contacts"] = linked
    if sale.company >= 0:
        record.associations["companies"] = [Association(company_ids[sale.company], True, created_at)]
    return record


def _amount(amount: float | None) -> str | None:
    return None if amount is None else f"{amount:.2f}".removesuffix(".00")


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
        records.append(Record(company_id, created_at, {"name": [Change(created_at, full_name, "CRM_UI")]}))
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
        values += [("firstname", person.first_name), ("lastname", person.last_name)]
        if (phone := _phone(COUNTRIES[person.country], phones[person.number], u)) and u > 0.6:
            values.append(("phone", phone))
        if (answer := answers[person.number]) and filling.at_ms == person.created_ms:
            values.append((SELF_REPORTED, answer))
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


# ----------------------------------------------------------------------------------------------------------
# What the CRM shows at a moment
# ----------------------------------------------------------------------------------------------------------


def contacts_as_of(contacts: Iterable[Record], now: datetime, *, archived: bool) -> list[RecordView]:
    """Live or archived contacts; a survivor lists whom it absorbed, and was modified then."""
    losers: dict[str, list[Record]] = defaultdict(list)
    for contact in contacts:
        if contact.merged_into and contact.merged_at and contact.merged_at <= now:
            losers[contact.merged_into].append(contact)
    views = []
    for contact in contacts:
        if not _is_shown(contact, now, archived):
            continue
        properties, history, updated_at = _properties(contact, now)
        if absorbed := losers.get(contact.id):
            properties["hs_merged_object_ids"] = ";".join(loser.id for loser in absorbed)
            emails = (loser.changes["email"][-1].value or "" for loser in absorbed)
            properties["hs_additional_emails"] = ";".join(emails)
            updated_at = max(updated_at, *(loser.merged_at for loser in absorbed if loser.merged_at))
        properties["lastmodifieddate"] = _iso(updated_at)
        _put_stage_dates(properties, history.get("lifecyclestage", ()))
        views.append(_view(contact, properties, history, {}, updated_at, archived))
    return views


def deals_as_of(
    deals: Iterable[Record], contacts: Mapping[str, Record], now: datetime, *, archived: bool
) -> list[RecordView]:
    """Live or archived deals; what was associated with the loser of a merge is the survivor's now."""
    views = []
    for deal in deals:
        if not _is_shown(deal, now, archived):
            continue
        properties, history, updated_at = _properties(deal, now)
        stage = STAGES[properties["dealstage"] or ""]
        properties["hs_is_closed"] = str(stage.is_closed).lower()
        properties["hs_is_closed_won"] = str(stage.is_closed and stage.probability == 1.0).lower()
        # HubSpot prints the double in full: 0.2 is 0.200000000000000011102230246251565404236316680908203125.
        properties["hs_deal_stage_probability"] = f"{stage.probability:.54f}".rstrip("0").removesuffix(".")
        properties["hs_lastmodifieddate"] = _iso(updated_at)
        _put_stage_dates(properties, history["dealstage"])
        linked = {name: _linked(found, contacts, now) for name, found in deal.associations.items()}
        views.append(_view(deal, properties, history, linked, updated_at, archived))
    return views


def companies_as_of(companies: Iterable[Record], now: datetime, *, archived: bool) -> list[RecordView]:
    views = []
    for company in companies:
        if _is_shown(company, now, archived):
            properties, history, updated_at = _properties(company, now)
            properties["hs_lastmodifieddate"] = _iso(updated_at)
            views.append(_view(company, properties, history, {}, updated_at, archived))
    return views


def _is_shown(record: Record, now: datetime, archived: bool) -> bool:
    if record.created_at > now:
        return False
    if any(gone is not None and gone <= now for gone in (record.deleted_at, record.merged_at)):
        return False
    return archived == (record.archived_at is not None and record.archived_at <= now)


def _properties(record: Record, now: datetime) -> tuple[dict[str, str | None], dict[str, list[Change]], datetime]:
    """(values, histories newest first, last change)."""
    properties: dict[str, str | None] = {"hs_object_id": record.id, "createdate": _iso(record.created_at)}
    history: dict[str, list[Change]] = {}
    updated_at = record.created_at
    for name, changes in record.changes.items():
        known = [change for change in changes if change.at <= now]
        if known:
            properties[name] = known[-1].value
            history[name] = known[::-1]
            updated_at = max(updated_at, known[-1].at)
    return properties, history, updated_at


def _put_stage_dates(properties: dict[str, str | None], newest_first: Sequence[Change]) -> None:
    for change in reversed(newest_first):  # the latest entry stays
        properties[f"hs_v2_date_entered_{change.value}"] = _iso(change.at)


def _linked(found: Sequence[Association], contacts: Mapping[str, Record], now: datetime) -> list[Association]:
    """Associations that stand at `now`: survivors instead of merged contacts, nothing archived or deleted."""
    linked: dict[str, Association] = {}
    for association in found:
        to_id = association.to_id
        contact = contacts.get(to_id)
        if contact and contact.merged_into and contact.merged_at and contact.merged_at <= now:
            to_id, contact = contact.merged_into, contacts[contact.merged_into]
        if association.since > now or (contact and not _is_shown(contact, now, archived=False)):
            continue
        is_primary = association.is_primary or (to_id in linked and linked[to_id].is_primary)
        linked[to_id] = Association(to_id, is_primary, association.since)
    return list(linked.values())


def _view(
    record: Record,
    properties: Mapping[str, str | None],
    history: Mapping[str, Sequence[Change]],
    associations: Mapping[str, Sequence[Association]],
    updated_at: datetime,
    archived: bool,
) -> RecordView:
    return RecordView(
        record.id,
        properties,
        history,
        associations,
        record.created_at,
        updated_at,
        archived,
        record.archived_at if archived else None,
    )
