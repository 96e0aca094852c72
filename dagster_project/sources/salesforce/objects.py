"""Which fields of which Salesforce objects are asked, and the columns that they become. Names are Salesforce's.

Fields that an org names as it likes have columns of our names (see `settings.SalesforceFields`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from dagster_project.sources.salesforce.settings import SalesforceFields
from dagster_project.wire.contract import AuthError, ConfigError, schema

SOURCE = "salesforce"
TEXT, MOMENT, FLAG, DAY = pa.string(), pa.timestamp("us", tz="UTC"), pa.bool_(), pa.date32()

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
CLICK_IDS = ("gclid", "gbraid", "wbraid", "fbclid", "yclid", "msclkid", "ttclid", "li_fat_id")
TRACKING = (*UTM, *CLICK_IDS, "ga_client_id", "ym_client_id")
URLS, SELF_REPORTED = ("first_url", "last_url"), "self_reported_source"
OF_A_PERSON = (*TRACKING, *URLS, SELF_REPORTED)
EMAIL, PHONES = "Email", ("Phone", "MobilePhone")  # leave this connector as hashes
RECORD_TYPE = "RecordType.DeveloperName"

_PERSON = (*((name, TEXT) for name in ("email_hash", "phone_hash", *OF_A_PERSON)),)

LEADS = schema(
    ("Id", TEXT),
    ("IsDeleted", FLAG),
    ("MasterRecordId", TEXT),  # of the loser of a merge: who won it
    ("CreatedDate", MOMENT),
    ("SystemModstamp", MOMENT),
    ("OwnerId", TEXT),
    ("Status", TEXT),
    ("LeadSource", TEXT),
    ("Country", TEXT),  # as typed
    ("CountryCode", TEXT),  # ISO 3166 alpha-2; null unless the org has lists of states and countries
    ("IsConverted", FLAG),
    ("ConvertedDate", DAY),
    ("ConvertedContactId", TEXT),
    ("ConvertedOpportunityId", TEXT),
    *_PERSON,
)
CONTACTS = schema(
    ("Id", TEXT),
    ("IsDeleted", FLAG),
    ("MasterRecordId", TEXT),
    ("CreatedDate", MOMENT),
    ("SystemModstamp", MOMENT),
    ("OwnerId", TEXT),
    ("AccountId", TEXT),
    ("LeadSource", TEXT),
    ("MailingCountry", TEXT),
    ("MailingCountryCode", TEXT),
    *_PERSON,
)
OPPORTUNITIES = schema(
    ("Id", TEXT),
    ("IsDeleted", FLAG),
    ("CreatedDate", MOMENT),
    ("SystemModstamp", MOMENT),
    ("OwnerId", TEXT),
    ("AccountId", TEXT),
    ("StageName", TEXT),
    ("IsClosed", FLAG),
    ("IsWon", FLAG),
    ("Probability", pa.float64()),  # 0..100
    ("CloseDate", DAY),  # a forecast while it is open
    ("Amount", pa.decimal128(24, 6)),
    ("CurrencyIsoCode", TEXT),  # that of the settings where the org has one currency
    ("record_type", TEXT),  # null where opportunities have no record types
    ("product", TEXT),
    ("refund_of", TEXT),
    ("order_id", TEXT),
)
OPPORTUNITY_HISTORY = schema(
    ("Id", TEXT),
    ("OpportunityId", TEXT),
    ("StageName", TEXT),
    ("CreatedDate", MOMENT),
    ("SystemModstamp", MOMENT),
    ("IsDeleted", FLAG),
)
LEAD_HISTORY = schema(
    ("Id", TEXT),
    ("LeadId", TEXT),
    ("Field", TEXT),
    ("OldValue", TEXT),
    ("NewValue", TEXT),
    ("CreatedDate", MOMENT),
    ("IsDeleted", FLAG),
)
CONTACT_ROLES = schema(
    ("Id", TEXT),
    ("OpportunityId", TEXT),
    ("ContactId", TEXT),
    ("IsPrimary", FLAG),
    ("CreatedDate", MOMENT),
    ("SystemModstamp", MOMENT),
    ("IsDeleted", FLAG),
)
CAMPAIGNS = schema(
    ("Id", TEXT),
    ("Name", TEXT),
    ("Type", TEXT),
    ("Status", TEXT),
    ("StartDate", DAY),
    ("EndDate", DAY),
    ("SystemModstamp", MOMENT),
    ("IsDeleted", FLAG),
)
CAMPAIGN_MEMBERS = schema(
    ("Id", TEXT),
    ("CampaignId", TEXT),
    ("LeadId", TEXT),
    ("ContactId", TEXT),
    ("Status", TEXT),
    ("HasResponded", FLAG),
    ("FirstRespondedDate", DAY),
    ("CreatedDate", MOMENT),
    ("SystemModstamp", MOMENT),
    ("IsDeleted", FLAG),
)
USERS = schema(("Id", TEXT), ("Name", TEXT), ("IsActive", FLAG), ("CreatedDate", MOMENT), ("SystemModstamp", MOMENT))


@dataclass(frozen=True)
class Kind:
    """One object as it is asked. `optional`: fields that an org need not have. `own`: columns whose fields it names itself.

    `where`: a condition of SOQL. `is_optional`: an org may not have the object at all.
    """

    object: str
    rows: pa.Schema
    cursor: str = "SystemModstamp"
    required: tuple[str, ...] = ("CreatedDate",)
    optional: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    asked_too: tuple[str, ...] = ()  # what becomes another column
    where: str = ""
    is_optional: bool = False

    def fields(self, org: Mapping[str, str], names: SalesforceFields) -> dict[str, str]:
        """Column or field -> field to ask, of an org that has these (lower case -> its spelling).

        Raises AuthError (a standard field is not to be seen), ConfigError (a named one is not there).
        """
        made = {"email_hash", "phone_hash", "record_type", "account_id", "_extra", *self.own}
        wanted = [*(name for name in self.rows.names if name not in made), *self.asked_too]
        asked: dict[str, str] = {}
        for name in wanted:
            if (found := org.get(name.lower())) is not None:
                asked[name] = found
            elif name not in self.optional:
                raise AuthError(
                    f"the user of the app sees no field {name!r} of {self.object}; give it the right to read it "
                    "(Setup > Object Manager > Fields > Field-Level Security)",
                    source=SOURCE,
                )
        if "record_type" in self.rows.names and "recordtypeid" in org:
            asked["record_type"] = RECORD_TYPE
        for name in self.own:
            field = getattr(names, name)
            if (found := org.get(field.lower())) is not None:
                asked[name] = found
            elif field != SalesforceFields.model_fields[name].default:
                raise ConfigError(
                    f"funnelhouse.yml, sources.salesforce.{name}: the user of the app sees no field {field!r} of "
                    f"{self.object}; write its API name (Setup > Object Manager > Fields), or leave the key out",
                    source=SOURCE,
                )
        return asked


LEAD = Kind(
    "Lead", LEADS, optional=("CountryCode",), own=OF_A_PERSON, asked_too=(EMAIL, *PHONES), required=("CreatedDate",)
)
CONTACT = Kind("Contact", CONTACTS, optional=("MailingCountryCode",), own=OF_A_PERSON, asked_too=(EMAIL, *PHONES))
OPPORTUNITY = Kind(
    "Opportunity",
    OPPORTUNITIES,
    optional=("CurrencyIsoCode",),
    own=("product", "refund_of", "order_id"),
    required=("CreatedDate", "StageName", "IsClosed", "IsWon"),
)
OPPORTUNITY_STEP = Kind(
    "OpportunityHistory", OPPORTUNITY_HISTORY, required=("OpportunityId", "StageName", "CreatedDate")
)
# What a lead's status was is kept only where the org tracks it (Setup > Object Manager > Lead > Set History Tracking).
LEAD_STEP = Kind(
    "LeadHistory",
    LEAD_HISTORY,
    cursor="CreatedDate",
    required=("LeadId", "Field"),
    where="Field IN ('Status', 'leadConverted')",
    is_optional=True,
)
CONTACT_ROLE = Kind("OpportunityContactRole", CONTACT_ROLES, required=("OpportunityId", "ContactId"))
CAMPAIGN = Kind("Campaign", CAMPAIGNS, required=("Name",))
CAMPAIGN_MEMBER = Kind("CampaignMember", CAMPAIGN_MEMBERS, required=("CampaignId",))
USER = Kind("User", USERS, required=())
