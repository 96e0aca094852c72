"""The company's records as Salesforce holds them at a moment: object -> rows by field, deleted ones in the recycle bin too.

Everybody begins as a lead. Who comes to a deal, or to a stage beyond that of leads, is converted: the lead stays, and a contact
is made, which stands on opportunities. A person who is merged: two leads are merged by Salesforce (the loser is deleted and
names its master); where one of them has been converted, the other's lead is converted into the same contact, and two contacts
are merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dagster_project.sandbox.company import TIME_ZONE, RecordView
from dagster_project.sandbox.company import Record as Life
from dagster_project.sources.salesforce.sandbox.org import (
    CONVERTED,
    CONVERTING_STAGES,
    LEAD_SOURCES,
    RECORD_TYPES,
    RECYCLE_BIN_DAYS,
    STAGE_NAMES,
    STATUSES,
    id_of,
)

if TYPE_CHECKING:
    from dagster_project.sandbox.company import Company

Row = dict[str, Any]
_OWN_FIELDS = {
    "client_id": "ga_client_id__c",
    "heard_from": "how_did_you_hear_about_us__c",
    "first_page": "first_page_url__c",
    "last_page": "last_page_url__c",
}
_TAGS = (
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "gbraid", "wbraid", "fbclid", "yclid",
    "msclkid", "ttclid", "li_fat_id",
)  # fmt: skip


def rows_as_of(company: Company, now: datetime) -> dict[str, list[Row]]:
    """Every row of every object, as queryAll would give it."""
    return _Org(company, now).rows


class _Org:
    def __init__(self, company: Company, now: datetime) -> None:
        self._company, self._now = company, now
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self._lives = {life.id: life for life in company.contacts}
        self._stages = {stage.id: stage for pipeline in company.pipelines for stage in pipeline.stages}
        self._converted = self._conversions()
        for life in company.contacts:
            if life.created_at <= now and not _is_past(life.deleted_at, now):
                self._person(life)
        for is_deleted in (False, True):
            for deal in company.deals_as_of(now, archived=is_deleted):
                self._opportunity(deal)
        self._campaigns()
        for archived in (False, True):
            for owner in company.owners_as_of(now, archived=archived):
                self.rows["User"].append(
                    {
                        "Id": id_of("User", owner.id),
                        "Name": f"{owner.first_name} {owner.last_name}",
                        "Email": owner.email,
                        "IsActive": not archived,
                        "CreatedDate": stamp(owner.created_at),
                        "SystemModstamp": stamp(
                            owner.archived_at if archived and owner.archived_at else owner.updated_at
                        ),
                    }
                )

    # ---- people ------------------------------------------------------------------------------------------

    def _conversions(self) -> dict[str, datetime]:
        """Person -> when the lead was converted, up to now; merges aside."""
        found: dict[str, datetime] = {}
        for life in self._company.contacts:
            beyond = [change.at for change in life.changes.get("stage", ()) if change.value in CONVERTING_STAGES]
            if beyond:
                found[life.id] = min(beyond)
        for deal in self._company.deals:
            for link in deal.associations.get("contacts", ()):
                found[link.to_id] = min(found.get(link.to_id, link.since), link.since)
        found = {who: at for who, at in found.items() if at <= self._now}
        for life in self._company.contacts:  # who takes over a contact, or a duplicate of one, is converted then
            if (
                life.merged_into
                and life.merged_at
                and life.merged_at <= self._now
                and (life.id in found or life.merged_into in found)
            ):
                for who in (life.id, life.merged_into):
                    found[who] = min(found.get(who, life.merged_at), life.merged_at)
        return found

    def _first_opportunity(self, person: str) -> str | None:
        deals = [
            (deal.created_at, deal.id)
            for deal in self._company.deals
            if deal.created_at <= self._now
            and any(link.to_id == person for link in deal.associations.get("contacts", ()))
        ]
        return id_of("Opportunity", min(deals)[1]) if deals else None

    def _person(self, life: Life) -> None:
        now = self._now
        merged_at = life.merged_at if _is_past(life.merged_at, now) else None
        archived_at = life.archived_at if _is_past(life.archived_at, now) else None
        until = min(at for at in (now, merged_at, archived_at) if at is not None)
        converted_at = self._converted.get(life.id)
        values = {
            name: known[-1].value
            for name, changes in life.changes.items()
            if (known := [change for change in changes if change.at <= until])
        }
        changed_at = max(
            (change.at for changes in life.changes.values() for change in changes if change.at <= until),
            default=life.created_at,
        )
        absorbed = [loser.merged_at for loser in self._company.contacts if loser.merged_into == life.id]
        moments = [life.created_at, changed_at, merged_at, archived_at, converted_at]
        moments += [at for at in absorbed if _is_past(at, now)]
        stamped = max(at for at in moments if at is not None)
        shared = self._own_fields(values) | {"CreatedDate": stamp(life.created_at), "SystemModstamp": stamp(stamped)}
        lead_id, contact_id = id_of("Lead", life.id), id_of("Contact", life.id)
        is_merged_lead = merged_at is not None and converted_at is None
        winner = life.merged_into or life.id
        if archived_at is None or self._is_in_bin(archived_at):
            if not is_merged_lead or self._is_in_bin(merged_at):
                lead = shared | {
                    "Id": lead_id,
                    "IsDeleted": is_merged_lead or archived_at is not None,
                    "MasterRecordId": id_of("Lead", winner) if is_merged_lead else None,
                    "Status": CONVERTED if converted_at else STATUSES[_last_status(life, until)],
                    "Country": values.get("country"),
                    "IsConverted": converted_at is not None,
                    "ConvertedDate": str(day_of(converted_at)) if converted_at else None,
                    "ConvertedAccountId": None,
                    "ConvertedContactId": None,
                    "ConvertedOpportunityId": None,
                }
                if converted_at:
                    lead["ConvertedContactId"] = id_of("Contact", winner if merged_at else life.id)
                    lead["ConvertedOpportunityId"] = self._first_opportunity(life.id)
                self.rows["Lead"].append(lead)
                self._lead_history(life, until, converted_at, is_gone=lead["IsDeleted"])
            was_contact = converted_at is not None and (merged_at is None or converted_at < merged_at)
            if converted_at and was_contact and (merged_at is None or self._is_in_bin(merged_at)):
                company = None
                self.rows["Contact"].append(
                    shared
                    | {
                        "Id": contact_id,
                        "IsDeleted": merged_at is not None or archived_at is not None,
                        "MasterRecordId": id_of("Contact", winner) if merged_at else None,
                        "CreatedDate": stamp(converted_at),
                        "AccountId": company,
                        "MailingCountry": values.get("country"),
                    }
                )

    def _own_fields(self, values: Mapping[str, Any]) -> Row:
        origin = values.get("origin")
        return {
            "OwnerId": id_of("User", values["owner"]) if "owner" in values else "005000000000001AAA",
            "MasterRecordId": None,
            "FirstName": values.get("first_name"),
            "LastName": values.get("last_name"),
            "Email": values.get("email"),
            "Phone": values.get("phone"),
            "MobilePhone": None,
            "LeadSource": LEAD_SOURCES.get(origin.channel, "Other") if origin else None,
            **{f"{name}__c": values.get(name) for name in _TAGS},
            **{field: values.get(name) for name, field in _OWN_FIELDS.items()},
            "ym_client_id__c": None,
        }

    def _lead_history(self, life: Life, until: datetime, converted_at: datetime | None, *, is_gone: bool) -> None:
        before: str | None = None
        steps: list[tuple[datetime, str, str | None, str | None]] = []
        for change in life.changes.get("stage", ()):
            if change.at > until or change.value not in STATUSES or (converted_at and change.at >= converted_at):
                continue
            status = STATUSES[change.value]
            if before is not None and status != before:
                steps.append((change.at, "Status", before, status))
            before = status
        if converted_at:
            steps += [(converted_at, "leadConverted", None, None), (converted_at, "Status", before, CONVERTED)]
        for number, (at, field, old, new) in enumerate([(life.created_at, "created", None, None), *steps]):
            self.rows["LeadHistory"].append(
                {
                    "Id": id_of("LeadHistory", int(life.id) * 100 + number),
                    "IsDeleted": is_gone,
                    "LeadId": id_of("Lead", life.id),
                    "Field": field,
                    "OldValue": old,
                    "NewValue": new,
                    "CreatedDate": stamp(at),
                }
            )

    # ---- deals -------------------------------------------------------------------------------------------

    def _opportunity(self, deal: RecordView) -> None:
        if deal.archived and not self._is_in_bin(deal.archived_at):
            return
        values, stage = deal.values, self._stages[deal.values["stage"]]
        opportunity_id = id_of("Opportunity", deal.id)
        changed = max(at for at in (deal.updated_at, deal.archived_at) if at is not None)
        companies = deal.associations.get("companies", ())
        self.rows["Opportunity"].append(
            {
                "Id": opportunity_id,
                "IsDeleted": deal.archived,
                "CreatedDate": stamp(deal.created_at),
                "SystemModstamp": stamp(changed),
                "Name": values["name"],
                "OwnerId": id_of("User", values["owner"]) if "owner" in values else "005000000000001AAA",
                "AccountId": id_of("Account", companies[0].to_id) if companies else None,
                "CampaignId": None,
                "StageName": STAGE_NAMES[stage.id],
                "IsClosed": stage.is_closed,
                "IsWon": stage.is_closed and stage.probability == 1.0,
                "Probability": stage.probability * 100,
                "CloseDate": str(day_of(values["closes_at"])),
                "Amount": values.get("amount"),
                "CurrencyIsoCode": values["currency"],
                "RecordTypeId": "012000000000001AAA",
                "RecordType.DeveloperName": RECORD_TYPES[values["pipeline"]],
                "product__c": values.get("product"),
                "refund_of__c": id_of("Opportunity", values["refund_of"]) if "refund_of" in values else None,
            }
        )
        for number, (at, known) in enumerate(_steps(deal)):
            self.rows["OpportunityHistory"].append(
                {
                    "Id": id_of("OpportunityHistory", int(deal.id) % 10**10 * 100 + number),
                    "IsDeleted": deal.archived,
                    "CreatedDate": stamp(at),
                    "SystemModstamp": stamp(at),
                    "OpportunityId": opportunity_id,
                    "StageName": STAGE_NAMES[known["stage"]],
                    "Amount": known.get("amount"),
                    "Probability": self._stages[known["stage"]].probability * 100,
                    "CloseDate": str(day_of(known["closes_at"])),
                }
            )
        for link in deal.associations.get("contacts", ()):
            self.rows["OpportunityContactRole"].append(
                {
                    "Id": id_of("OpportunityContactRole", int(deal.id) % 10**9 * 1000 + int(link.to_id) % 1000),
                    "IsDeleted": deal.archived,
                    "CreatedDate": stamp(link.since),
                    "SystemModstamp": stamp(link.since),
                    "OpportunityId": opportunity_id,
                    "ContactId": id_of("Contact", link.to_id),
                    "IsPrimary": link.is_primary,
                    "Role": None,
                }
            )

    # ---- campaigns ---------------------------------------------------------------------------------------

    def _campaigns(self) -> None:
        ids: dict[str, str] = {}
        for lead in self.rows["Lead"]:
            if name := lead["utm_campaign__c"]:
                ids.setdefault(name, id_of("Campaign", len(ids) + 1))
                self.rows["CampaignMember"].append(
                    {
                        "Id": id_of("CampaignMember", int(lead["Id"][3:15])),
                        "IsDeleted": lead["IsDeleted"],
                        "CreatedDate": lead["CreatedDate"],
                        "SystemModstamp": lead["CreatedDate"],
                        "CampaignId": ids[name],
                        "LeadId": lead["Id"],
                        "ContactId": lead["ConvertedContactId"],
                        "Status": "Responded",
                        "HasResponded": True,
                        "FirstRespondedDate": lead["CreatedDate"][:10],
                    }
                )
        for name, campaign_id in ids.items():
            since = stamp(datetime(2025, 6, 2, 9, tzinfo=UTC))
            self.rows["Campaign"].append(
                {
                    "Id": campaign_id,
                    "IsDeleted": False,
                    "CreatedDate": since,
                    "SystemModstamp": since,
                    "Name": name,
                    "Type": "Other",
                    "Status": "In Progress",
                    "StartDate": "2025-07-01",
                    "EndDate": None,
                }
            )

    def _is_in_bin(self, gone_at: datetime | None) -> bool:
        return gone_at is not None and gone_at > self._now - timedelta(days=RECYCLE_BIN_DAYS)


def _last_status(life: Life, until: datetime) -> str:
    known = [
        change.value for change in life.changes.get("stage", ()) if change.at <= until and change.value in STATUSES
    ]
    return known[-1] if known else "lead"


def _steps(deal: RecordView) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What the opportunity was after each change that Salesforce keeps a row of, oldest first."""
    kept = ("stage", "amount", "closes_at")
    moments = sorted({change.at for name in kept for change in deal.history.get(name, ())})
    for at in moments:
        known = {
            name: past[0].value
            for name in kept
            if (past := [change for change in deal.history.get(name, ()) if change.at <= at])
        }
        yield at, known


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


def stamp(moment: datetime) -> str:
    """2026-11-20T10:00:00.000+0000"""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def day_of(moment: datetime) -> date:
    """The day in the org's zone."""
    return moment.astimezone(ZoneInfo(TIME_ZONE)).date()
