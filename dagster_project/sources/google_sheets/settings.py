"""Which sheets are read, and how people write in them: variables, and `sources.google_sheets` of funnelhouse.yml."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from dagster_project.sources.google_sheets.rows import COLUMNS, Writing
from dagster_project.wire.source import OwnRules
from dagster_project.wire.variables import CommaList, Given, HostAddress, SourceSettings, variable

_LINK = re.compile(r"/spreadsheets/d/(?P<id>[\w-]+)")
_GID = re.compile(r"[#?&]gid=(\d+)")


class Sheet(NamedTuple):
    """A tab of a spreadsheet; `gid` 0 is the first one."""

    id: str
    gid: str

    @property
    def account_id(self) -> str:
        return self.id if self.gid == "0" else f"{self.id}:{self.gid}"


class SheetsRules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, str] = Field(default_factory=dict)
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    decimal: Literal[".", ","] | None = None
    date_format: str | None = None
    last_closed_month: str | None = Field(default=None, pattern=r"^\d{4}-(0[1-9]|1[0-2])$")

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(columns.keys() - set(COLUMNS)):
            raise ValueError(f"{unknown[0]!r} is no column of a ledger; allowed are {', '.join(COLUMNS)}")
        return columns

    @property
    def closed_to(self) -> date | None:
        """The last day of the last closed month."""
        if self.last_closed_month is None:
            return None
        year, month = map(int, self.last_closed_month.split("-"))
        return date(year, month, 1) + timedelta(days=calendar.monthrange(year, month)[1] - 1)


RULES = OwnRules("sources.google_sheets", SheetsRules, SheetsRules())


class SheetsSettings(SourceSettings):
    sheet_ids: CommaList = variable(
        "GOOGLE_SHEETS_ID",
        "links of sheets as the browser shows them, or their ids (id:gid for another tab than the first), "
        "several separated by commas",
        example="https://docs.google.com/spreadsheets/d/1AbC/edit#gid=0",
    )
    api_key: SecretStr | None = variable(
        "GOOGLE_SHEETS_API_KEY",
        "of a Google Cloud project with the Sheets API: values are then read as they are, not as they are shown",
        None,
    )
    range: str = variable("GOOGLE_SHEETS_RANGE", "with a key: which tab and columns, such as Costs!A:Z", "A:Z")
    base_url: HostAddress = variable("GOOGLE_SHEETS_BASE_URL", "", "https://docs.google.com")
    api_url: HostAddress = variable("GOOGLE_SHEETS_API_URL", "", "https://sheets.googleapis.com")
    rules: SheetsRules = SheetsRules()

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any]:
        return {"rules": given.rules.own(RULES.key)}

    @model_validator(mode="after")
    def _check(self) -> SheetsSettings:
        if self.api_key and (other := [sheet.account_id for sheet in self.sheets if sheet.gid != "0"]):
            raise ValueError(
                f"GOOGLE_SHEETS_ID {other[0]!r} names a tab by its gid, which the Sheets API does not know; "
                "name the tab in GOOGLE_SHEETS_RANGE, or leave GOOGLE_SHEETS_API_KEY away"
            )
        if len(set(self.sheets)) < len(self.sheets):
            raise ValueError("GOOGLE_SHEETS_ID names a sheet twice: its costs would count twice")
        return self

    @property
    def sheets(self) -> list[Sheet]:
        return [_sheet(text) for text in self.sheet_ids]

    @property
    def writing(self) -> Writing:
        rules = self.rules
        return Writing(rules.columns, rules.currency, rules.decimal, rules.date_format)


def _sheet(text: str) -> Sheet:
    if link := _LINK.search(text):
        if link["id"] == "e":  # /d/e/2PACX…: "publish to the web" has another id, and no export
            raise ValueError("GOOGLE_SHEETS_ID is a link of a published page; use the link that the editor has")
        gid = _GID.search(text)
        return Sheet(link["id"], str(int(gid[1])) if gid else "0")
    if plain := re.fullmatch(r"([\w-]+)(?::(\d+))?", text):
        return Sheet(plain[1], str(int(plain[2] or 0)))
    raise ValueError(f"GOOGLE_SHEETS_ID {text!r} is neither the link of a sheet nor its id")
