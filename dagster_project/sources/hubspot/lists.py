"""HubSpot's small lists as rows: owners, stages of pipelines, forms, submissions of forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dagster_project.sources.hubspot.answers import Record
from dagster_project.sources.hubspot.api import Account
from dagster_project.sources.hubspot.asked import PHONES
from dagster_project.sources.hubspot.schemas import SELF_REPORTED, SELF_REPORTED_ELSE, TRACKING
from dagster_project.sources.hubspot.undeclared import undeclared
from dagster_project.wire.identity import hash_email, hash_phone, redact_addresses, redact_answer, redact_url

if TYPE_CHECKING:
    from dagster_project.sources.hubspot.settings import HubspotProperties

# Top-level fields that are known and either used below or of no use here.
_OF_AN_OWNER = {
    "id", "userId", "userIdIncludingInactive", "firstName", "lastName", "email", "type", "teams", "archived",
    "archivedAt", "createdAt", "updatedAt",
}  # fmt: skip
_OF_A_FORM = {
    "id", "name", "formType", "createdAt", "updatedAt", "archived", "archivedAt", "fieldGroups",
    "configuration", "displayOptions", "legalConsentOptions",
}  # fmt: skip
_OF_A_STAGE = {
    "id", "label", "displayOrder", "metadata", "archived", "archivedAt", "createdAt", "updatedAt",
    "writePermissions",
}  # fmt: skip
_OF_A_SUBMISSION = {"conversionId", "formId", "submittedAt", "updatedAt", "values", "pageUrl"}


def owner_row(owner: Record, account: Account, key: bytes) -> Record:
    row = {name: owner.get(name) for name in ("id", "userId", "firstName", "lastName", "createdAt", "updatedAt")}
    row["userId"] = row["userId"] or owner.get("userIdIncludingInactive")  # an archived owner has only the latter
    row["email_hash"] = hash_email(owner.get("email"), key)
    row["archived"] = bool(owner.get("archived"))
    return row | {"account_id": account.id, **undeclared(owner, _OF_AN_OWNER)}


def pipeline_rows(pipeline: Record, account: Account) -> Iterator[Record]:
    """A row for each stage of a pipeline; an archived pipeline archives its stages."""
    for stage in pipeline.get("stages") or ():
        metadata = stage.get("metadata") or {}
        yield {
            "pipeline_id": pipeline.get("id"),
            "pipeline_label": pipeline.get("label"),
            "stage_id": stage.get("id"),
            "stage_label": stage.get("label"),
            "displayOrder": stage.get("displayOrder"),
            "isClosed": metadata.get("isClosed"),  # "false"
            "probability": metadata.get("probability"),  # "0.2"
            "archived": bool(pipeline.get("archived")) or bool(stage.get("archived")),
            "updatedAt": stage.get("updatedAt") or pipeline.get("updatedAt"),
            "account_id": account.id,
            **undeclared(stage, _OF_A_STAGE),
        }


def form_row(form: Record, account: Account) -> Record:
    row = {name: form.get(name) for name in ("id", "name", "formType", "createdAt", "updatedAt")}
    row["archived"] = bool(form.get("archived"))
    return row | {"account_id": account.id, **undeclared(form, _OF_A_FORM)}


def submission_row(
    submission: Record, form_id: str, account: Account, configured: HubspotProperties, key: bytes
) -> Record:
    """One submission. UTM, click and client ids come from hidden fields, where the form has them."""
    values: Record = {}
    for each in submission.get("values") or ():
        values.setdefault(str(each.get("name")), each.get("value"))
    row: Record = {column: redact_addresses(values.get(getattr(configured, column)) or None) for column in TRACKING}
    said = values.get(configured.self_reported_source) or values.get(SELF_REPORTED_ELSE)
    return row | {
        SELF_REPORTED: redact_answer(said or None),
        "conversionId": submission.get("conversionId"),
        "form_id": form_id,
        "submittedAt": submission.get("submittedAt"),
        "pageUrl": redact_url(submission.get("pageUrl")),
        "email_hash": hash_email(values.get("email"), key),
        "phone_hash": _first_hash((values.get(name) for name in PHONES), key),
        "account_id": account.id,
        **undeclared(submission, _OF_A_SUBMISSION),
    }


def _first_hash(phones: Iterable[str | None], key: bytes) -> str | None:
    return next((hashed for phone in phones if (hashed := hash_phone(phone, key))), None)
