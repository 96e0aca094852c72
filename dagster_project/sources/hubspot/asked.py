"""Which properties are asked of a portal: those behind the columns, as far as it has them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster_project.sources.hubspot.answers import SOURCE
from dagster_project.sources.hubspot.schemas import CLICK_IDS, SELF_REPORTED, SELF_REPORTED_ELSE, TRACKING
from dagster_project.wire.contract import ConfigError, DriftError

if TYPE_CHECKING:
    from dagster_project.sources.hubspot.settings import HubspotProperties

# Asked as they are, if the portal has them. Without the first ones there is nothing to count.
CONTACT_CORE = ("createdate", "lastmodifieddate", "lifecyclestage", "email")
CONTACT_OTHERS = (
    "hubspot_owner_id", "hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2",
    "hs_analytics_first_url", "hs_analytics_last_url", "hs_analytics_first_timestamp",
    "first_conversion_event_name", "hs_additional_emails", "country", "hs_country_region_code",
    "ip_country_code",
)  # fmt: skip
PHONES = ("phone", "mobilephone")
DEAL_CORE = ("createdate", "hs_lastmodifieddate", "dealstage", "pipeline", "amount", "closedate")
DEAL_OTHERS = (
    "deal_currency_code", "hs_is_closed", "hs_is_closed_won", "hs_deal_stage_probability", "hubspot_owner_id",
    "hs_merged_object_ids",
)  # fmt: skip
# Three generations of "when did the contact enter this stage"; portals have one or two of them. All say the
# latest entry, so they only stand in where the history of lifecyclestage is silent.
STAGE_DATES = (
    re.compile(r"hs_v2_date_entered_(?!current_stage$)(?P<stage>.+)"),
    re.compile(r"hs_date_entered_(?P<stage>.+)"),
    re.compile(r"hs_lifecyclestage_(?P<stage>.+)_date"),
)


@dataclass(frozen=True)
class Asked:
    """The portal's properties behind the columns: each column takes the first that has a value."""

    columns: Mapping[str, tuple[str, ...]]
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # lifecycle stage -> its date properties

    @property
    def names(self) -> list[str]:
        return sorted({name for names in (*self.columns.values(), *self.stages.values()) for name in names})


def contact_properties(portal: set[str], configured: HubspotProperties) -> Asked:
    """What to ask of a portal that has these contact properties.

    Raises DriftError (a core property is not there), ConfigError (a configured one is not there).
    """
    columns = _core(portal, CONTACT_CORE, "contacts") | {name: (name,) for name in CONTACT_OTHERS}
    for column in TRACKING:
        columns[column] = (_configured(portal, configured, column), CLICK_IDS.get(column) or "")
    columns[SELF_REPORTED] = (_configured(portal, configured, SELF_REPORTED), SELF_REPORTED_ELSE)
    columns["phone"] = PHONES
    # hs_calculated_merged_vids is the older form, "id:moment;id:moment"
    columns["hs_merged_object_ids"] = ("hs_merged_object_ids", "hs_calculated_merged_vids")
    stages: dict[str, tuple[str, ...]] = {}
    for pattern in STAGE_DATES:
        for match in filter(None, map(pattern.fullmatch, sorted(portal))):
            stages[match["stage"]] = (*stages.get(match["stage"], ()), match.string)
    return Asked(_present(columns, portal), stages)


def deal_properties(portal: set[str], configured: HubspotProperties) -> Asked:
    """What to ask of a portal that has these deal properties. Raises like `contact_properties`."""
    columns = _core(portal, DEAL_CORE, "deals") | {name: (name,) for name in DEAL_OTHERS}
    for column in ("product", "refund_of_deal_id"):
        columns[column] = (_configured(portal, configured, column),)
    if configured.order_id:
        columns["order_id"] = (_configured(portal, configured, "order_id"),)
    return Asked(_present(columns, portal))


def _core(portal: set[str], names: Sequence[str], stream: str) -> dict[str, tuple[str, ...]]:
    for name in names:
        if name not in portal:
            raise DriftError(f"the portal has no property {name!r} of {stream}", source=SOURCE, stream=stream)
    return {name: (name,) for name in names}


def _configured(portal: set[str], configured: HubspotProperties, column: str) -> str:
    name = getattr(configured, column)
    if name != type(configured).model_fields[column].default and name not in portal:
        raise ConfigError(
            f"funnelhouse.yml, crm.hubspot_properties.{column}: the portal has no property {name!r}; "
            "write its internal name (Settings > Properties), or leave the key out",
            source=SOURCE,
        )
    return name


def _present(columns: Mapping[str, tuple[str, ...]], portal: set[str]) -> dict[str, tuple[str, ...]]:
    present = {column: tuple(name for name in names if name in portal) for column, names in columns.items()}
    return {column: names for column, names in present.items() if names}
