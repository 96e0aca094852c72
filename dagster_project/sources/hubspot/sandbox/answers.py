"""What the sandbox's HubSpot has, as HubSpot's JSON: owners, pipelines, forms, submissions, definitions of properties."""

from __future__ import annotations

from typing import Any

from dagster_project.sandbox.company import Pipeline, Submission
from dagster_project.sources.hubspot.sandbox.questions import MOMENTS, NUMBERS, milliseconds
from dagster_project.sources.hubspot.sandbox.records import Change, Form, Owner, iso

CALCULATED = (
    "hs_is_closed",
    "hs_is_closed_won",
    "hs_deal_stage_probability",
    "hs_v2_date_entered_current_stage",
)


def past(change: Change) -> dict[str, Any]:
    return {"value": change.value or "", "timestamp": iso(change.at), "sourceType": change.source_type}


def batch(results: list[dict[str, Any]]) -> dict[str, Any]:
    moment = "2026-01-01T00:00:00.000Z"
    return {"status": "COMPLETE", "results": results, "startedAt": moment, "completedAt": moment}


def definition(name: str) -> dict[str, Any]:
    is_moment = name in MOMENTS or name.startswith("hs_v2_date_entered_")
    kind = "datetime" if is_moment else "number" if name in NUMBERS else "string"
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "type": kind,
        "fieldType": {"datetime": "date", "number": "number"}.get(kind, "text"),
        "groupName": "information",
        "options": [],
        "displayOrder": -1,
        "calculated": name in CALCULATED,
        "externalOptions": False,
        "hasUniqueValue": name == "email",
        "hidden": False,
        "hubspotDefined": True,
        "formField": False,
    }


def owner_json(owner: Owner) -> dict[str, Any]:
    is_archived = owner.archived_at is not None
    return {
        "id": owner.id,
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        # A person who left is no user any more.
        **({} if is_archived else {"userId": int(owner.user_id)}),
        "userIdIncludingInactive": int(owner.user_id),
        "createdAt": iso(owner.created_at),
        "updatedAt": iso(owner.updated_at),
        "archived": is_archived,
    }


def pipeline_json(pipeline: Pipeline) -> dict[str, Any]:
    moments = {"createdAt": iso(pipeline.created_at), "updatedAt": iso(pipeline.updated_at)}
    return {
        "label": pipeline.label,
        "displayOrder": pipeline.display_order,
        "id": pipeline.id,
        "stages": [
            {
                "label": stage.label,
                "displayOrder": stage.display_order,
                "metadata": {"isClosed": str(stage.is_closed).lower(), "probability": str(stage.probability)},
                "id": stage.id,
                **moments,
                "archived": False,
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            }
            for stage in pipeline.stages
        ],
        **moments,
        "archived": False,
    }


def form_json(form: Form, archived: bool) -> dict[str, Any]:
    return {
        "id": form.id,
        "name": form.name,
        "createdAt": iso(form.created_at),
        "updatedAt": iso(form.updated_at),
        "archived": archived,
        "fieldGroups": [],
        "configuration": {"language": "en"},
        "displayOptions": {"renderRawHtml": False},
        "legalConsentOptions": {"type": "none"},
        "formType": form.form_type,
    }


def submission_json(submission: Submission) -> dict[str, Any]:
    return {
        "conversionId": submission.conversion_id,
        "submittedAt": milliseconds(submission.submitted_at),
        "values": [{"name": name, "value": value, "objectTypeId": "0-1"} for name, value in submission.values],
        "pageUrl": submission.page_url,
    }
