"""The company's business, set up by hand: funnel stages, pipelines, owners, forms, products, and invented names."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from dagster_project.sandbox.company.days import MIDNIGHTS_MS, ms_of
from dagster_project.sandbox.company.tables import Form, Owner, Pipeline, PipelineStage


def at(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


def ms(text: str) -> int:
    return ms_of(at(text))


END_MS = int(MIDNIGHTS_MS[-1])

# The funnel in its own words. Sales accepts a lead (sal) since January 2026.
CONTACT_STAGES = ("subscriber", "lead", "mql", "sal", "sql", "opportunity", "customer", "advocate", "other")
SALES_ACCEPTED_SINCE_MS = ms("2026-01-12T08:00")

SALES_PIPELINE, SELF_SERVICE_PIPELINE = "sales", "self_service"
SELF_SERVICE_OPEN, SELF_SERVICE_WON, SELF_SERVICE_LOST = "basket", "paid", "abandoned"
OPEN_STAGES = (
    ("appointment", "Appointment scheduled", 0.2),
    ("qualified", "Qualified to buy", 0.4),
    ("presentation", "Presentation scheduled", 0.6),
    ("decision_maker", "Decision maker bought-in", 0.8),
    ("contract", "Contract sent", 0.9),
)
_SINCE = at("2025-06-02T09:00")
PIPELINES = (
    Pipeline(
        SALES_PIPELINE,
        "Sales pipeline",
        0,
        _SINCE,
        _SINCE,
        (
            *(PipelineStage(s, label, n, False, p) for n, (s, label, p) in enumerate(OPEN_STAGES)),
            PipelineStage("won", "Closed won", 5, True, 1.0),
            PipelineStage("lost", "Closed lost", 6, True, 0.0),
        ),
    ),
    Pipeline(
        SELF_SERVICE_PIPELINE,
        "Self-service",
        1,
        _SINCE,
        _SINCE,
        (
            PipelineStage(SELF_SERVICE_OPEN, "In the basket", 0, False, 0.5),
            PipelineStage(SELF_SERVICE_WON, "Paid", 1, True, 1.0),
            PipelineStage(SELF_SERVICE_LOST, "Abandoned", 2, True, 0.0),
        ),
    ),
)

OWNER_LEFT_AT = at("2026-05-29T15:00")
OWNERS = tuple(
    Owner(
        str(71_000_000 + n * 1_117),
        first,
        last,
        f"{first}.{last}@example.com".lower(),
        _SINCE,
        left or _SINCE,
        left,
    )
    for n, (first, last, left) in enumerate(
        [
            ("Anke", "Brandt", None),
            ("Jonas", "Feldmann", None),
            ("Sanne", "Vermeer", None),
            ("Malte", "Hinrichs", OWNER_LEFT_AT),
            ("Grace", "Whitfield", None),
        ]
    )
)
LEAVER = 3  # position in OWNERS


@dataclass(frozen=True)
class FormPlan:
    form: Form
    weight: float
    key_event: str | None
    first_stage: str
    becomes_mql: float
    has_tag_fields: bool  # hidden utm_* and click id fields


def _form(number: int, name: str, kind: str = "form", archived: str | None = None) -> Form:
    # Version 4 by shape.
    guid = str(uuid.UUID(int=(0x5EED << 112) | (0x4 << 76) | (0x8 << 60) | number))
    archived_at = at(archived) if archived else None
    return Form(guid, name, kind, _SINCE, archived_at or _SINCE, archived_at)


FORMS = (
    FormPlan(_form(1, "Demo request"), 0.30, "generate_lead", "lead", 0.74, True),
    FormPlan(_form(2, "Contact sales"), 0.17, "generate_lead", "lead", 0.68, True),
    FormPlan(_form(3, "Free trial"), 0.26, "sign_up", "lead", 0.60, True),
    FormPlan(_form(4, "E-invoice guide"), 0.17, "generate_lead", "lead", 0.36, True),
    FormPlan(_form(5, "Newsletter"), 0.10, None, "subscriber", 0.14, False),
    FormPlan(_form(6, "Demo (old page)", archived="2026-02-16T10:00"), 0.0, "generate_lead", "lead", 0.7, False),
    FormPlan(_form(7, "Blog comments", "comments"), 0.0, None, "subscriber", 0.0, False),
)
OLD_DEMO_FORM = 5
OLD_DEMO_FORM_UNTIL_MS = ms("2025-11-17T09:00")

# "How did you hear about us?", which the forms ask since March 2026, and the list of a fair's visitors always. What
# people type, by the kind of visit; some of it nobody has mapped, some is no answer.
SELF_REPORTED_SINCE_MS = ms("2026-03-02T08:00")
ANSWERS = {
    "ads": ("Google", "google", "Google Anzeige", "googled you", "Google Ads", "Suchmaschine"),
    "organic": ("Google", "gegoogelt bei Google", "google search", "Suchmaschine", "Bing", "Internet", "ChatGPT"),
    "social_ads": ("Instagram", "insta", "Facebook Werbung", "Facebook", "an Instagram ad"),
    "social": ("LinkedIn", "linked in", "Instagram", "youtube"),
    "referral": ("Artikel im Netz", "blog", "review site", "Empfehlung"),
    "ai_assistant": ("ChatGPT", "chat gpt", "Perplexity"),
    "email": ("newsletter", "Newsletter", "e-mail"),
}
ANSWERS_OF_OTHERS = (
    "Empfehlung einer Kollegin", "a friend", "Podcast", "word of mouth", "Messe", "Steuerberater", "my accountant", "Radio",
    "weiß nicht", "-", "von Bekannten", "via vrienden",
)  # fmt: skip
ANSWERS_AT_A_FAIR = ("Messe", "Messestand", "trade fair", "Ihr Stand auf der Messe", "fair")

# How good the leads of a kind of visit are, against the average.
QUALITY = {
    "organic": 1.05,
    "referral": 1.15,
    "ai_assistant": 1.15,
    "social_ads": 0.62,
    "social": 0.7,
    "affiliate": 0.7,
}
PRODUCTS = (
    ("Invoice", 0.42, 1_500),
    ("Till", 0.26, 2_400),
    ("Invoice + Till", 0.20, 4_200),
    ("Starter kit", 0.12, 690),
)


def _words(text: str) -> list[str]:
    return text.split()


FIRST_NAMES = {
    "de": _words("Anna Jan Lena Paul Mia Ben Lea Finn Emma Luis Clara Max Ida Emil Nora Karl Greta Till Frieda"),
    "nl": _words("Daan Sanne Bram Lotte Sem Femke Thijs Anouk Joost Maaike Ruben Iris"),
    "en": _words("Oliver Amelia Jack Isla Harry Ava Noah Emily Liam Grace Mason Chloe Ethan Ruby Lucas Stella"),
}
LAST_NAMES = {
    "de": _words(
        "Albers Behrens Cordes Dittmar Eggers Fink Gerlach Hartwig Imhof Jessen Kessler Lorenz Mertens Nagel"
        " Ott Pohl Reuter Sauer Thiele Ulrich Voss Wendt Zander"
    ),
    "nl": _words("Bakker Dekker Hendriks Jansen Kuiper Mulder Postma Smit Visser Wolters"),
    "en": _words(
        "Abbott Barlow Carver Dalton Ellery Fenwick Garner Holt Ingram Jarvis Kemp Lowell Marsh Norris Osborn"
    ),
}
TRADES = _words("Bäckerei Café Friseur Blumen Elektro Tischlerei Studio Werkstatt Hofladen Optik")
COMPANY_SUFFIXES = ("", " GmbH", " & Co", " Ltd", " KG")
