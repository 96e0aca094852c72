"""How the company's Salesforce org is set up: its words for stages, its record types, its fields, and ids as Salesforce writes them."""

from __future__ import annotations

ORG_ID, USER_ID = "00D000000000001AAA", "005000000000999AAA"
CLIENT_ID, CLIENT_SECRET = "sandbox-consumer-key", "sandbox-consumer-secret"
DAILY_CALLS = 15_000
VERSIONS = range(41, 69)  # older ones are gone
RECYCLE_BIN_DAYS = 15

PREFIXES = {
    "Lead": "00Q", "Contact": "003", "Account": "001", "Opportunity": "006", "User": "005", "Campaign": "701",
    "CampaignMember": "00v", "OpportunityContactRole": "00K", "OpportunityHistory": "008", "LeadHistory": "00X",
}  # fmt: skip

# The company's word -> the status of a lead. What comes after is no lead's status: the lead is converted.
STATUSES = {
    "subscriber": "Subscriber",
    "lead": "Open - Not Contacted",
    "mql": "Marketing Qualified",
    "sal": "Accepted",
    "sql": "Qualified",
    "other": "Closed - Not Converted",
}
CONVERTED = "Closed - Converted"
CONVERTING_STAGES = ("opportunity", "customer", "advocate")
RECORD_TYPES = {"sales": "Sales", "self_service": "Self_Service"}
STAGE_NAMES = {
    "appointment": "Qualification",
    "qualified": "Needs Analysis",
    "presentation": "Value Proposition",
    "decision_maker": "Id. Decision Makers",
    "contract": "Negotiation/Review",
    "won": "Closed Won",
    "lost": "Closed Lost",
    "basket": "In the basket",
    "paid": "Paid",
    "abandoned": "Abandoned",
}
LEAD_SOURCES = {
    "Direct": "Web",
    "Organic Search": "Web",
    "Paid Search": "Advertisement",
    "Email": "Email",
    "Referral": "Referral",
}

_AUDIT = {"Id": "id", "IsDeleted": "boolean", "CreatedDate": "datetime", "SystemModstamp": "datetime"}
_TRACKING = (
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "gclid", "gbraid", "wbraid", "fbclid", "yclid",
    "msclkid", "ttclid", "li_fat_id", "ga_client_id", "ym_client_id", "how_did_you_hear_about_us", "first_page_url",
    "last_page_url",
)  # fmt: skip
_PERSON = {
    "MasterRecordId": "reference", "OwnerId": "reference", "FirstName": "string", "LastName": "string", "Email": "email",
    "Phone": "phone", "MobilePhone": "phone", "LeadSource": "picklist",
    **{f"{name}__c": "string" for name in _TRACKING},
}  # fmt: skip
# Object -> field -> type, as `describe` says it.
OBJECTS: dict[str, dict[str, str]] = {
    "Lead": _AUDIT | _PERSON | {
        "Status": "picklist", "Country": "string", "Address": "address", "IsConverted": "boolean", "ConvertedDate": "date",
        "ConvertedAccountId": "reference", "ConvertedContactId": "reference", "ConvertedOpportunityId": "reference",
    },
    "Contact": _AUDIT | _PERSON | {"AccountId": "reference", "MailingCountry": "string", "MailingAddress": "address"},
    "Opportunity": _AUDIT | {
        "Name": "string", "OwnerId": "reference", "AccountId": "reference", "CampaignId": "reference", "StageName": "picklist",
        "IsClosed": "boolean", "IsWon": "boolean", "Probability": "percent", "CloseDate": "date", "Amount": "currency",
        "CurrencyIsoCode": "picklist", "RecordTypeId": "reference", "RecordType.DeveloperName": "string",
        "product__c": "string", "refund_of__c": "reference",
    },
    "OpportunityHistory": _AUDIT | {
        "OpportunityId": "reference", "StageName": "picklist", "Amount": "currency", "Probability": "percent", "CloseDate": "date",
    },
    "LeadHistory": {
        "Id": "id", "IsDeleted": "boolean", "CreatedDate": "datetime", "LeadId": "reference", "Field": "picklist",
        "OldValue": "anyType", "NewValue": "anyType",
    },
    "OpportunityContactRole": _AUDIT | {
        "OpportunityId": "reference", "ContactId": "reference", "IsPrimary": "boolean", "Role": "picklist",
    },
    "Campaign": _AUDIT | {
        "Name": "string", "Type": "picklist", "Status": "picklist", "StartDate": "date", "EndDate": "date",
    },
    "CampaignMember": _AUDIT | {
        "CampaignId": "reference", "LeadId": "reference", "ContactId": "reference", "Status": "picklist",
        "HasResponded": "boolean", "FirstRespondedDate": "date",
    },
    "User": {"Id": "id", "Name": "string", "Email": "email", "IsActive": "boolean", "CreatedDate": "datetime",
             "SystemModstamp": "datetime"},
}  # fmt: skip


def id_of(kind: str, number: str | int) -> str:
    """An id of 18 signs."""
    return f"{PREFIXES[kind]}{int(number):012d}AAA"
