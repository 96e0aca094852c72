"""How a counter reads a landing: hand-made cases, after Google's documentation of traffic sources."""

from __future__ import annotations

import pytest

from dagster_project.sandbox.company import Company
from dagster_project.sandbox.company.tags import resolve, resolve_ad_click, utm_parameters

N = None


@pytest.mark.parametrize(
    ("query", "referrer", "click", "day", "expected"),
    [
        ("", "", "", "2026-01-01", (N, N, N, "Direct")),
        ("", "https://www.google.com/", "", "2026-01-01", ("google", "organic", N, "Organic Search")),
        ("", "https://www.capterra.com/x", "", "2026-01-01", ("capterra.com", "referral", N, "Referral")),
        ("", "https://www.kontorra.example/preise", "", "2026-01-01", (N, N, N, "Direct")),
        ("utm_source=Facebook&utm_medium=Paid_Social", "", "fbclid", "2026-01-01", ("Facebook", "Paid_Social", N, "Paid Social")),
        ("utm_source=face%20book&utm_medium=cpc", "", "", "2026-01-01", ("face book", "cpc", N, "Paid Other")),
        ("utm_source=a&utm_medium=cpc&utm_campaign=Marke+DE", "", "", "2026-01-01", ("a", "cpc", "Marke DE", "Paid Other")),
        ("utm_source=ig&utm_medium=cpc&utm_campaign=%D0%BA%D0%B0", "", "", "2026-01-01", ("ig", "cpc", "ка", "Paid Social")),
        ("utm_source=ig&utm_medium=cpc&utm_campaign=%25D0%25BA", "", "", "2026-01-01", ("ig", "cpc", "%D0%BA", "Paid Social")),
        ("utm_source=google&utm_medium=cpc&utm_campaign={campaign}", "", "", "2026-01-01", ("google", "cpc", "{campaign}", "Paid Search")),
        ("utm_source=newsletter%20&utm_medium=email%20", "", "", "2026-01-01", ("newsletter ", "email ", N, N)),
        ("UTM_Source=newsletter&UTM_Medium=email", "", "", "2026-01-01", (N, N, N, "Direct")),
        ("utm_source=chatgpt.com", "https://chatgpt.com/", "", "2026-01-01", ("chatgpt.com", N, N, N)),
        ("", "https://www.perplexity.ai/", "", "2026-05-12", ("perplexity.ai", "referral", N, "Referral")),
        ("", "https://www.perplexity.ai/", "", "2026-05-13", ("perplexity.ai", "ai-assistant", N, "AI Assistant")),
        ("", "", "gbraid", "2026-01-01", ("google", "cpc", N, "Paid Search")),
        ("", "https://m.facebook.com/", "fbclid", "2026-01-01", ("m.facebook.com", "referral", N, "Organic Social")),
        ("", "https://www.youtube.com/", "", "2026-01-01", ("youtube.com", "referral", N, "Organic Video")),
        ("utm_source=t&utm_medium=affiliate", "", "", "2026-01-01", ("t", "affiliate", N, "Affiliates")),
        ("utm_source=t&utm_medium=affiliates", "", "", "2026-01-01", ("t", "affiliates", N, N)),
    ],
)  # fmt: skip
def test_a_landing_is_read_like_ga4_does(
    query: str, referrer: str, click: str, day: str, expected: tuple[str, ...]
) -> None:
    found = resolve(query, referrer, click, day)
    assert (found.source, found.medium, found.campaign_name, found.channel) == expected


def test_an_auto_tagged_click_overrules_the_tags_but_keeps_term_and_content() -> None:
    query = "utm_source=bing&utm_medium=email&utm_campaign=x&utm_term=rechnung+schreiben&utm_content=a"
    found = resolve_ad_click(query, "everywhere", "PMax | Small business", "123")
    assert found == (
        "google",
        "cpc",
        "PMax | Small business",
        "123",
        "rechnung schreiben",
        "a",
        "Cross-network",
    )


def test_the_first_of_a_repeated_parameter_wins() -> None:
    assert utm_parameters("utm_source=a&utm_source=b&gclid=1") == {"utm_source": "a"}


def test_the_promised_dirt_is_in_the_sessions(company: Company) -> None:
    sessions = company.web.sessions
    pairs = set(zip(sessions["source"].to_pylist(), sessions["medium"].to_pylist(), strict=True))
    assert {
        ("Facebook", "Paid_Social"), ("face book", "paid_social"), ("newsletter ", "email "), ("kontorra", "newsletter"),
        ("app.kontorra.example", "referral"), ("checkout.stripe.com", "referral"), ("partner+directory", "referral"),
    } <= pairs  # fmt: skip
    campaigns = set(sessions["campaign_name"].to_pylist())
    assert {
        "{campaign}",
        "{{campaign.name}}",
        "касса",
        "%D0%BA%D0%B0%D1%81%D1%81%D0%B0",
        "messe 2026",
        "reel ",
    } <= campaigns
    queries = sessions["landing_query"].to_pylist()
    assert any("email=jane.doe%40example.com" in query for query in queries)
    assert any(query.startswith("gclid=") for query in queries)
