"""What the company's Bitrix24 holds at a moment: leads, contacts, deals with their steps, and how the portal is set up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company, RecordView

ZONE = ZoneInfo("Europe/Berlin")
LEAD, DEAL, CONTACT = 1, 2, 3
# The company's word -> the status of a lead. What comes after is no lead's status: the lead is converted.
STATUSES = {
    "subscriber": "UC_SUBSCRIBER",
    "lead": "NEW",
    "mql": "UC_MARKETING",
    "sal": "UC_ACCEPTED",
    "sql": "IN_PROCESS",
    "other": "JUNK",
}
CONVERTED, CONVERTING = "CONVERTED", ("opportunity", "customer", "advocate")
CATEGORIES = {"sales": 0, "self_service": 9}
UTM = {"utm_source": "utmSource", "utm_medium": "utmMedium", "utm_campaign": "utmCampaign", "utm_term": "utmTerm",
       "utm_content": "utmContent"}  # fmt: skip
# title of an own field -> where the company has the value
OF_PEOPLE = {
    **{
        name: name
        for name in ("gclid", "gbraid", "wbraid", "fbclid", "yclid", "msclkid", "ttclid", "li_fat_id", "country")
    },
    "ga_client_id": "client_id",
    "self_reported_source": "heard_from",
}
OF_DEALS = {"product": "product", "refund_of_deal_id": "refund_of"}
STANDARD = {
    LEAD: "id title name lastName stageId stageSemanticId assignedById createdTime updatedTime movedTime contactId contactIds "
    "companyId sourceId opportunity currencyId opened hasPhone hasEmail createdBy updatedBy isManualOpportunity",
    CONTACT: "id name lastName assignedById createdTime updatedTime leadId companyId companyIds sourceId opened hasPhone "
    "hasEmail createdBy updatedBy export",
    DEAL: "id title categoryId stageId stageSemanticId previousStageId assignedById createdTime updatedTime movedTime begindate "
    "closedate closed contactId contactIds companyId leadId opportunity currencyId opened createdBy updatedBy probability",
}
Record = dict[str, Any]


def own_code(title: str) -> str:
    return f"ufCrm_{sum(ord(sign) * (n + 7) for n, sign in enumerate(title)) + 1_694_000_000}"


class Held:
    """What the portal holds at a moment."""

    def __init__(self, company: Company, now: datetime) -> None:
        self._people = company.contacts_as_of(now)
        self._deals = company.deals_as_of(now)
        self._stage_ids: dict[tuple[str, str], str] = {}
        self._semantics: dict[str, str] = {}
        self.statuses: list[Record] = []
        self.categories = [
            {"id": CATEGORIES[each.id], "name": each.label, "sort": 100 * (1 + each.display_order), "entityTypeId": DEAL,
             "isDefault": "Y" if not CATEGORIES[each.id] else "N"}
            for each in company.pipelines
        ]  # fmt: skip
        self._set_up(company)
        self._first_deals = self._deals_of_people()
        self._converted = {view.id: at for view in self._people if (at := self._conversion(view)) is not None}
        self.steps: dict[int, list[Record]] = {LEAD: [], DEAL: []}
        self.items: dict[int, list[Record]] = {
            LEAD: [self._lead(view) for view in self._people],
            CONTACT: [self._contact(view) for view in self._people if view.id in self._converted],
            DEAL: [self._deal(view) for view in self._deals],
        }
        self.users = [
            {"ID": owner.id, "ACTIVE": owner.archived_at is None or owner.archived_at > now, "NAME": owner.first_name,
             "LAST_NAME": owner.last_name, "EMAIL": owner.email, "USER_TYPE": "employee"}
            for owner in company.owners
        ]  # fmt: skip

    def _set_up(self, company: Company) -> None:
        words = {**{status: word for word, status in STATUSES.items()}, CONVERTED: "Good lead"}
        found = [("STATUS", status, word, 10 * n) for n, (status, word) in enumerate(words.items())]
        for pipeline in company.pipelines:
            category = CATEGORIES[pipeline.id]
            for stage in pipeline.stages:
                closing = "WON" if stage.probability == 1 else "LOSE"
                own = closing if stage.is_closed else stage.id.upper()
                stage_id = f"C{category}:{own}" if category else own
                self._stage_ids[pipeline.id, stage.id] = stage_id
                self._semantics[stage_id] = ("S" if closing == "WON" else "F") if stage.is_closed else "P"
                entity = f"DEAL_STAGE_{category}" if category else "DEAL_STAGE"
                found.append((entity, stage_id, stage.label, 10 * stage.display_order))
        found.append(("SOURCE", "WEB", "Website", 10))
        for number, (entity, status_id, name, sort) in enumerate(found, start=101):
            self.statuses.append(
                {"ID": str(number), "ENTITY_ID": entity, "STATUS_ID": status_id, "NAME": name, "SORT": str(sort)}
            )

    def _deals_of_people(self) -> dict[str, tuple[datetime, str]]:
        """Person -> when they came to their first deal, and its id."""
        found: dict[str, tuple[datetime, str]] = {}
        for deal in self._deals:
            for link in deal.associations.get("contacts", ()):
                found[link.to_id] = min(found.get(link.to_id, (link.since, deal.id)), (link.since, deal.id))
        return found

    def _conversion(self, view: RecordView) -> datetime | None:
        moments = [change.at for change in view.history["stage"] if change.value in CONVERTING]
        moments += [self._first_deals[view.id][0]] if view.id in self._first_deals else []
        return min(moments, default=None)

    def _lead(self, view: RecordView) -> Record:
        converted_at = self._converted.get(view.id)
        status = None
        for change in reversed(view.history["stage"]):
            if converted_at and change.at >= converted_at:
                break
            if (new := STATUSES[change.value]) != status:
                self._step(LEAD, view.id, change.at, {"STATUS_ID": new}, is_first=status is None, semantics="P")
                status = new
        if converted_at:
            self._step(LEAD, view.id, converted_at, {"STATUS_ID": CONVERTED}, is_first=status is None, semantics="S")
        return {
            **self._person(view),
            "title": f"Lead #{view.id}",
            "stageId": CONVERTED if converted_at else status,
            "stageSemanticId": "S" if converted_at else "F" if status == "JUNK" else "P",
            "movedTime": stamp(converted_at or view.updated_at),
            "contactId": int(view.id) if converted_at else None,
            "contactIds": [int(view.id)] if converted_at else [],
            "opportunity": 0,
            "currencyId": "EUR",
            "isManualOpportunity": "N",
        }

    def _contact(self, view: RecordView) -> Record:
        converted_at = self._converted[view.id]
        return {
            **self._person(view),
            "createdTime": stamp(converted_at),
            "leadId": int(view.id),
            "companyIds": [],
            "export": "Y",
        }

    def _person(self, view: RecordView) -> Record:
        values = view.values
        emails = [values["email"], *(loser.changes["email"][-1].value for loser in view.absorbed)]
        multi = [("EMAIL", each) for each in emails]
        multi += [("PHONE", values["phone"])] if values.get("phone") else []
        converted_at = self._converted.get(view.id)
        changed = max(at for at in (view.updated_at, converted_at) if at)
        return {
            "id": int(view.id),
            "entityTypeId": 0,
            "name": values["first_name"],
            "lastName": values["last_name"],
            "assignedById": int(values.get("owner", 1)),
            "createdTime": stamp(view.created_at),
            "updatedTime": stamp(changed),
            "companyId": 0,
            "sourceId": "WEB",
            "opened": "Y",
            "hasPhone": "Y" if values.get("phone") else "N",
            "hasEmail": "Y",
            "createdBy": 1,
            "updatedBy": 1,
            **{theirs: values.get(ours) for ours, theirs in UTM.items()},
            **{own_code(title): values.get(name) for title, name in OF_PEOPLE.items()},
            "fm": [
                {"id": 10 * int(view.id) + n, "typeId": kind, "valueType": "WORK", "value": value}
                for n, (kind, value) in enumerate(multi)
            ],
        }

    def _deal(self, view: RecordView) -> Record:
        values = view.values
        past = list(reversed(view.history["stage"]))
        for number, change in enumerate(past):
            stage = self._stage_ids[values["pipeline"], change.value]
            step = {"STAGE_ID": stage, "CATEGORY_ID": CATEGORIES[values["pipeline"]]}
            self._step(DEAL, view.id, change.at, step, is_first=not number, semantics=self._semantics[stage])
        stage = self._stage_ids[values["pipeline"], values["stage"]]
        contacts = [
            int(each.to_id) for each in sorted(view.associations.get("contacts", ()), key=lambda c: not c.is_primary)
        ]
        companies = view.associations.get("companies", ())
        is_first = bool(contacts) and self._first_deals[str(contacts[0])][1] == view.id
        return {
            "id": int(view.id),
            "entityTypeId": DEAL,
            "title": values["name"],
            "categoryId": CATEGORIES[values["pipeline"]],
            "stageId": stage,
            "previousStageId": "",
            "stageSemanticId": self._semantics[stage],
            "assignedById": int(values.get("owner", 1)),
            "createdTime": stamp(view.created_at),
            "updatedTime": stamp(view.updated_at),
            "movedTime": stamp(past[-1].at),
            "begindate": stamp(view.created_at),
            "closedate": stamp(values["closes_at"]),
            "closed": "N" if self._semantics[stage] == "P" else "Y",
            "contactId": contacts[0] if contacts else 0,
            "contactIds": contacts,
            "companyId": int(companies[0].to_id) if companies else 0,
            "leadId": contacts[0] if is_first else None,
            "opportunity": values.get("amount", 0),
            "currencyId": values["currency"],
            "opened": "Y",
            "createdBy": 1,
            "updatedBy": 1,
            "probability": None,
            **dict.fromkeys(UTM.values()),
            **{own_code(title): values.get(name) for title, name in OF_DEALS.items()},
        }

    def _step(self, kind: int, owner: str, at: datetime, step: Record, *, is_first: bool, semantics: str) -> None:
        named = "STATUS_SEMANTIC_ID" if kind == LEAD else "STAGE_SEMANTIC_ID"
        self.steps[kind].append(
            {
                "ID": len(self.steps[kind]) + 1,
                "TYPE_ID": 1 if is_first else 2 if semantics == "P" else 3,
                "OWNER_ID": int(owner),
                "CREATED_TIME": stamp(at),
                named: semantics,
                **step,
            }
        )


def stamp(moment: datetime) -> str:
    """2026-11-20T10:00:00+01:00"""
    return moment.astimezone(ZONE).replace(microsecond=0).isoformat()
