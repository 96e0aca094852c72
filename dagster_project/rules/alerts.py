"""What is told to people by message: when they are not to be disturbed, which KPIs are watched, what spend is worth a word."""

from __future__ import annotations

from datetime import time

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dagster_project.rules.kinds import Share


class QuietHours(BaseModel):
    """From one time of day to another, over midnight where the second is the earlier; in the reporting time zone."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    begin: time = Field(alias="from")
    end: time = Field(alias="to")

    @model_validator(mode="after")
    def _check(self) -> QuietHours:
        if self.begin == self.end:
            raise ValueError("from and to are the same time; allowed is such as {from: '22:00', to: '07:00'}")
        return self

    def has(self, moment: time) -> bool:
        """Whether it is quiet at this time of day."""
        if self.begin < self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


class Alerts(BaseModel):
    """To whom is a secret, and stands in the environment (FUNNELHOUSE_ALERT_URLS)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quiet_hours: QuietHours | None = None
    # day by day against the same weekdays before (kpis/anomalies.py): counts and amounts, no rates
    kpis: tuple[str, ...] = ("sessions", "leads", "mqls", "sqls", "new_customers", "revenue", "marketing_spend")
    spend_at_risk: Share = 0.05  # of two months' spend, under one finding of audit_utm
