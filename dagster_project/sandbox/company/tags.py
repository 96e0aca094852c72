"""Where visits come from: how links are tagged (well, badly, not at all), and what a counter makes of each.

`VARIANTS` is the whole mess as a table; `resolve` is the usual reading of a landing query and a referrer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from dagster_project.sandbox.company.tables import SITE_HOST

# Google's channel for assistants exists since then; older sessions keep what they were.
AI_ASSISTANT_SINCE = "2026-05-13"

KINDS = (
    "ads",  # first: its sessions come from the clicks of `ads`
    "second_search_ads",
    "social_ads",
    "professional_ads",
    "organic",
    "direct",
    "social",
    "referral",
    "ai_assistant",
    "affiliate",
    "robot",
    "email",  # from here on: people the CRM knows
    "product",  # customers coming back from the product itself
    "payment",  # customers coming back from the payment page
)


@dataclass(frozen=True)
class Variant:
    """One way a visit of a kind arrives. `{month}` in the query is the month, 2026-03."""

    kind: str
    weight: float
    query: str = ""
    referrer: str = ""
    click_parameter: str = ""  # its random id is appended to the query


_GOOGLE = "https://www.google.com/"
_FACEBOOK = "https://l.facebook.com/"

VARIANTS = (
    # Google Ads. Without its gclid a click looks like search, or like whatever its own tags say.
    Variant("ads", 0.82, "", _GOOGLE, "gclid"),
    Variant(
        "ads",
        0.08,
        "utm_source=google&utm_medium=cpc&utm_campaign=generic_{month}&utm_term=rechnung+schreiben&utm_content=rsa_1",
        _GOOGLE,
        "gclid",
    ),
    Variant(
        "ads",
        0.03,
        "utm_source=google&utm_medium=cpc&utm_campaign={campaign}&utm_term={keyword}",
        _GOOGLE,
    ),
    Variant("ads", 0.05, "", _GOOGLE),
    Variant("ads", 0.02, "", _GOOGLE, "gbraid"),
    # Microsoft Ads
    Variant(
        "second_search_ads",
        0.8,
        "utm_source=bing&utm_medium=cpc&utm_campaign=Marke%20DE",
        "https://www.bing.com/",
        "msclkid",
    ),
    Variant(
        "second_search_ads",
        0.2,
        "utm_source=Bing&utm_medium=CPC&utm_campaign=Marke+DE",
        "https://www.bing.com/",
        "msclkid",
    ),
    # Meta: upper case, a typo, Cyrillic, Cyrillic encoded twice, a macro nobody filled in, no tags at all
    Variant(
        "social_ads",
        0.50,
        "utm_source=facebook&utm_medium=paid_social&utm_campaign=till_{month}&utm_content=carousel_a",
        _FACEBOOK,
        "fbclid",
    ),
    Variant(
        "social_ads",
        0.15,
        "utm_source=Facebook&utm_medium=Paid_Social&utm_campaign=TILL_{month}",
        _FACEBOOK,
        "fbclid",
    ),
    Variant(
        "social_ads",
        0.09,
        "utm_source=face%20book&utm_medium=paid_social&utm_campaign=till_{month}",
        "",
        "fbclid",
    ),
    Variant(
        "social_ads",
        0.08,
        "utm_source=ig&utm_medium=paidsocial&utm_campaign=%D0%BA%D0%B0%D1%81%D1%81%D0%B0",
        "",
        "fbclid",
    ),
    Variant(
        "social_ads",
        0.05,
        "utm_source=ig&utm_medium=paidsocial&utm_campaign=%25D0%25BA%25D0%25B0%25D1%2581%25D1%2581%25D0%25B0",
        "",
        "fbclid",
    ),
    Variant(
        "social_ads",
        0.06,
        "utm_source=facebook&utm_medium=paid_social&utm_campaign={{campaign.name}}",
        _FACEBOOK,
        "fbclid",
    ),
    Variant("social_ads", 0.07, "", "https://m.facebook.com/", "fbclid"),
    # LinkedIn
    Variant(
        "professional_ads",
        0.75,
        "utm_source=linkedin&utm_medium=paid_social&utm_campaign=founders_dach",
        "",
        "li_fat_id",
    ),
    Variant(
        "professional_ads",
        0.25,
        "utm_source=LinkedIn&utm_medium=cpc&utm_campaign=Founders%20DACH",
        "",
        "li_fat_id",
    ),
    # Search
    Variant("organic", 0.80, "", _GOOGLE),
    Variant("organic", 0.02, "", "https://www.google.de/", "srsltid"),
    Variant("organic", 0.10, "", "https://www.bing.com/"),
    Variant("organic", 0.05, "", "https://duckduckgo.com/"),
    Variant("organic", 0.03, "", "https://www.ecosia.org/"),
    Variant("direct", 1.0),
    # Social posts: half carry tags
    Variant(
        "social",
        0.30,
        "utm_source=linkedin&utm_medium=social&utm_campaign=product_news",
        "https://www.linkedin.com/",
    ),
    Variant("social", 0.20, "", "https://www.linkedin.com/"),
    Variant("social", 0.14, "", _FACEBOOK, "fbclid"),
    Variant("social", 0.12, "", "https://t.co/"),
    Variant("social", 0.12, "", "https://www.youtube.com/"),
    Variant(
        "social",
        0.07,
        "utm_source=Instagram&utm_medium=Social&utm_campaign=reel%20",
        "https://l.instagram.com/",
    ),
    Variant("social", 0.05, "", "https://ok.ru/"),
    # Other sites
    Variant("referral", 0.35, "", "https://www.capterra.com/invoicing"),
    Variant("referral", 0.25, "", "https://www.steuerberater-forum.example/rechnungen"),
    Variant(
        "referral",
        0.15,
        "utm_source=partner%2Bdirectory&utm_medium=referral",
        "https://partners.kassen.example/",
    ),
    Variant("referral", 0.15, "", "https://gruenderblog.example/tools"),
    Variant("referral", 0.10, "utm_source=trade_fair&utm_medium=qr&utm_campaign=messe%202026"),
    # Assistants: ChatGPT tags its links itself, without a medium
    Variant("ai_assistant", 0.60, "utm_source=chatgpt.com", "https://chatgpt.com/"),
    Variant("ai_assistant", 0.20, "", "https://www.perplexity.ai/"),
    Variant("ai_assistant", 0.12, "", "https://gemini.google.com/"),
    Variant("ai_assistant", 0.08, "", "https://claude.ai/"),
    Variant(
        "affiliate",
        0.80,
        "utm_source=toolvergleich&utm_medium=affiliate&utm_campaign=vergleich",
        "https://toolvergleich.example/",
    ),
    Variant(
        "affiliate",
        0.20,
        "utm_source=toolvergleich&utm_medium=affiliates&utm_campaign=vergleich",
        "https://toolvergleich.example/",
    ),
    Variant("robot", 1.0, "", "https://free-traffic.example/"),
    # E-mail: source and medium swapped, plus signs, a trailing space, tags lost
    Variant("email", 0.48, "utm_source=newsletter&utm_medium=email&utm_campaign=news_{month}"),
    # somebody merged the recipient into the link: personal data in an address
    Variant("email", 0.02, "utm_source=newsletter&utm_medium=email&email=jane.doe%40example.com"),
    Variant("email", 0.15, "utm_source=hs_email&utm_medium=email&utm_content=button&utm_campaign=onboarding"),
    Variant("email", 0.10, "utm_source=kontorra&utm_medium=newsletter&utm_campaign=news_{month}"),
    Variant("email", 0.10, "utm_source=newsletter%20&utm_medium=email%20&utm_campaign=News+{month}+"),
    Variant("email", 0.05, "UTM_Source=newsletter&UTM_Medium=email"),
    Variant("email", 0.10),
    # Our own hosts and the bank's: they steal the visit that was really direct
    Variant("product", 0.7, "", "https://app.kontorra.example/"),
    Variant(
        "product",
        0.3,
        "utm_source=app&utm_medium=in-app&utm_campaign=upsell_banner",
        "https://app.kontorra.example/",
    ),
    Variant("payment", 0.6, "", "https://checkout.stripe.com/"),
    Variant("payment", 0.4, "", "https://www.paypal.com/"),
)


class TrafficSource(NamedTuple):
    """What a landing says of where it came from; None: it does not say. Who came directly has channel "Direct" and
    neither source nor medium."""

    source: str | None
    medium: str | None
    campaign_name: str | None
    campaign_id: str | None
    term: str | None
    content: str | None
    channel: str | None


_SEARCH = {"google", "bing", "duckduckgo", "ecosia.org"}
_SEARCH_HOSTS = {
    "www.google.com": "google",
    "www.google.de": "google",
    "www.bing.com": "bing",
    "duckduckgo.com": "duckduckgo",
    "www.ecosia.org": "ecosia.org",
}
_ASSISTANT_HOSTS = {
    "chatgpt.com": "chatgpt.com",
    "www.perplexity.ai": "perplexity.ai",
    "gemini.google.com": "gemini.google.com",
    "claude.ai": "claude.ai",
}
_SOCIAL = {
    "facebook",
    "m.facebook.com",
    "l.facebook.com",
    "linkedin",
    "linkedin.com",
    "lnkd.in",
    "ig",
    "instagram",
    "t.co",
}
_VIDEO = {"youtube.com"}
_PAID = {"cpc", "paid_social", "paidsocial"}
_AD_CHANNELS = {
    "search": "Paid Search",
    "everywhere": "Cross-network",
    "demand": "Cross-network",
    "display": "Display",
    "shopping": "Paid Shopping",
    "video": "Paid Video",
}


def utm_parameters(query: str) -> dict[str, str]:
    """utm_* of a raw query, decoded once like a browser's URLSearchParams; the first of a name wins."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.startswith("utm_"):
            parameters.setdefault(name, value)
    return parameters


def resolve(query: str, referrer: str, click_parameter: str, day: str) -> TrafficSource:
    """The usual reading of a landing without a gclid (for those see `resolve_ad_click`). day: ISO date."""
    utm = utm_parameters(query)
    host = urlsplit(referrer).hostname or ""
    source: str | None
    medium: str | None
    campaign = None
    if utm.get("utm_source"):
        source, medium, campaign = utm["utm_source"], utm.get("utm_medium"), utm.get("utm_campaign")
    elif click_parameter == "gbraid":
        source, medium = "google", "cpc"
    elif click_parameter == "srsltid" or host in _SEARCH_HOSTS:
        source, medium = _SEARCH_HOSTS[host], "organic"
    elif host in _ASSISTANT_HOSTS and day >= AI_ASSISTANT_SINCE:
        source, medium = _ASSISTANT_HOSTS[host], "ai-assistant"
    elif host and host != SITE_HOST:
        source, medium = host.removeprefix("www."), "referral"
    else:
        source, medium = None, None
    return TrafficSource(
        source,
        medium,
        campaign,
        None,
        utm.get("utm_term"),
        utm.get("utm_content"),
        _channel((source or "").lower(), (medium or "").lower()),
    )


def resolve_ad_click(query: str, channel_type: str, campaign_name: str, campaign_id: str) -> TrafficSource:
    """A landing with a gclid: the Ads link names source, medium and campaign, whatever the tags say."""
    utm = utm_parameters(query)
    return TrafficSource(
        "google",
        "cpc",
        campaign_name,
        campaign_id,
        utm.get("utm_term"),
        utm.get("utm_content"),
        _AD_CHANNELS[channel_type],
    )


def _channel(source: str, medium: str) -> str | None:
    """What kind of visit that is, for the sources of this company only."""
    if not source:
        return "Direct"
    if medium in _PAID:
        return "Paid Search" if source in _SEARCH else "Paid Social" if source in _SOCIAL else "Paid Other"
    if medium == "ai-assistant":
        return "AI Assistant"
    if source in _SOCIAL or medium == "social":  # ok.ru is in no list
        return "Organic Social"
    if source in _VIDEO:
        return "Organic Video"
    if source in _SEARCH or medium == "organic":
        return "Organic Search"
    if medium == "referral":
        return "Referral"
    if medium == "email":
        return "Email"
    if medium == "affiliate":
        return "Affiliates"
    return None
