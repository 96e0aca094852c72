""" "How did you hear about us?": what an answer means, when it is a touch, and whose credit it may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.crm_rows import Row, portal, won
from tests.support.crm_world import lead, session, submission
from tests.support.house import House

MODELS = ("+fct_self_reported_sources", "+fct_touchpoints", "+fct_attribution", "+fct_leads")

# answer -> source, channel. What people type, in four languages and two alphabets at once
ANSWERS = {
    "Google": ("google", "Organic Search"),
    "I googled you!": ("google", "Organic Search"),
    "гугл": ("google", "Organic Search"),
    "Нашёл в Гугле": ("google", "Organic Search"),
    "Gооglе": ("google", "Organic Search"),  # with Cyrillic о and е
    "گوگل": ("google", "Organic Search"),
    "Google Ads": ("google", "Paid Search"),
    "увидел рекламу: реклама в гугле": ("google", "Paid Search"),
    "تبلیغات گوگل": ("google", "Paid Search"),
    "яндекс": ("yandex", "Organic Search"),
    "Яндекс.Директ": ("yandex", "Paid Search"),
    "в телеграме": ("telegram", "Organic Social"),
    "تلگرام": ("telegram", "Organic Social"),
    "LinkedIn post": ("linkedin", "Organic Social"),
    "insta": ("instagram", "Organic Social"),
    "an Instagram ad": ("instagram", "Paid Social"),
    "اينستاگرام": ("instagram", "Organic Social"),  # with the Arabic ye
    "شبكه‌های اجتماعی": ("social", "Organic Social"),  # Arabic kaf, and a zero-width non-joiner
    "ChatGPT": ("chatgpt.com", "AI Assistant"),
    "чат-гпт": ("chatgpt.com", "AI Assistant"),
    "YouTube video": ("youtube", "Organic Video"),
    "A friend of mine": ("word of mouth", "Referral"),
    "от друга": ("word of mouth", "Referral"),
    "Empfehlung von Kollegen": ("word of mouth", "Referral"),
    "توسط همکارم": ("word of mouth", "Referral"),
    "my colleague, then Google": ("word of mouth", "Referral"),  # the first that is named
    "Messe Köln": ("trade_fair", "Offline"),
    "на выставке": ("trade_fair", "Offline"),
    "подкаст": ("podcast", "Offline"),
    "рассылка": ("newsletter", "Email"),
    "some advert on the Google": ("google", "Organic Search"),  # a name outranks a general word
    "Реклама": ("advertisement", "Paid Other"),
    "поисковик": ("search", "Organic Search"),
    "не помню": ("(not set)", "(not set)"),
    "asdf qwer": ("(other)", "Unassigned"),
    "badger": ("(other)", "Unassigned"),  # has "ad" in it, which is not a word of it
}  # fmt: skip


def said(contact_id: str, answer: str | None, at: str = "2026-03-02T12:00", **more: Any) -> Row:
    return lead(contact_id, at, self_reported_source=answer, hs_analytics_source="OFFLINE", **more)


def test_what_an_answer_means(warehouse: Callable[..., House]) -> None:
    contacts = [said(f"c{n:02}", answer) for n, answer in enumerate(ANSWERS)]
    house = warehouse(portal(contacts), *MODELS)
    rows = house.rows("select answer, source, channel from marts.fct_self_reported_sources")
    assert {answer: found for answer, *found in rows} == {answer: list(means) for answer, means in ANSWERS.items()}
    mapped = dict(house.rows("select mapped_by, count(*) from marts.fct_self_reported_sources group by 1"))
    assert mapped == {"seed": len(ANSWERS) - 2, "unmapped": 2}
    # what is no answer is no touch; what nobody mapped is one, and can be counted
    touches = dict(
        house.rows("select source, count(*) from marts.fct_touchpoints where touch_kind = 'self_reported' group by 1")
    )
    assert (touches.get("(not set)"), touches["(other)"], sum(touches.values())) == (None, 2, len(ANSWERS) - 1)
    house.build(
        "int_self_reported_answers",
        "fct_self_reported_sources",
        "fct_touchpoints",
        "self_reported_sources",
        command="test",
    )


def test_the_users_own_words_come_first(warehouse: Callable[..., House]) -> None:
    rules = {
        "channels": {
            "own": ["Trade fair", "Partner"],
            "self_reported": [
                {"says": "Big Show*", "source": "Big Show", "medium": "event", "channel": "Trade fair"},
                {"says": "google", "source": "Google", "medium": "cpc"},
                {"says": "دوست خوب", "source": "friends"},
            ],
            "rules": [{"channel": "Partner", "source": "word of mouth"}],
        }
    }
    answers = ["the BIG-SHOWroom", "google", "googled it", "دوست خوبم", "a friend"]
    contacts = [said(f"c{n}", answer) for n, answer in enumerate(answers)]
    house = warehouse(portal(contacts), *MODELS, "+dim_channel", rules=rules)
    assert house.rows("select channel from marts.dim_channel where channel in ('Trade fair', 'Partner', 'Offline') order by 1") == [
        ("Offline",), ("Partner",), ("Trade fair",)
    ]  # fmt: skip
    assert house.rows(
        "select answer, source, channel, mapped_by from marts.fct_self_reported_sources order by answer_id"
    ) == [
        ("the BIG-SHOWroom", "big show", "Trade fair", "funnelhouse.yml"),
        ("google", "google", "Paid Search", "funnelhouse.yml"),  # no channel given: by the channel rules
        ("googled it", "google", "Organic Search", "seed"),
        ("دوست خوبم", "word of mouth", "Partner", "seed"),  # the phrase is not whole words of it
        ("a friend", "word of mouth", "Partner", "seed"),  # a user's channel rule outranks the seed
    ]


# ---- when it is a touch, and whose credit it may take ------------------------------------------------------------

CONTACTS = [
    said("fair", "Messe", "2026-03-01T12:00"),
    # a tracked visit five minutes before the form, and another source in the answer
    lead("tracked", "2026-03-02T12:00", self_reported_source="podcast"),
    # the answer and the visit say the same
    lead("agrees", "2026-03-03T12:00", self_reported_source="LinkedIn"),
    # the visit was 120 days before the deal, the answer 60
    lead("late", "2026-01-20T12:00", self_reported_source="a friend"),
    # a file and a form say it: once
    said("again", "Radio", "2026-03-04T12:00"),
]
FORMS = [
    submission("tracked", "2026-03-02T12:00", "tracked", ga_client_id="c-tracked", self_reported_source="podcast"),
    submission("agrees", "2026-03-03T12:00", "agrees", ga_client_id="c-agrees"),
    submission("late", "2026-01-20T12:00", "late", self_reported_source="a friend"),
    submission("again", "2026-03-04T12:03", "again", self_reported_source="radio "),
]
VISITS = [
    session("c-tracked", "2026-03-02T11:55", "google", "cpc"),
    session("c-agrees", "2026-03-03T11:55", "linkedin.com", "referral"),
]
DEALS = [
    won("fair", "2026-03-10", "2026-03-20", contacts=["fair"]),
    won("tracked", "2026-03-10", "2026-03-20", contacts=["tracked"]),
]


def world() -> dict[str, Any]:
    return {**portal(CONTACTS, DEALS, form_submissions=FORMS), "ga4/sessions": VISITS}


def self_reported(house: House) -> list[tuple]:
    return house.rows(
        "select touch_id, channel, strftime(touched_at, '%m-%d %H:%M') from marts.fct_touchpoints "
        "where touch_kind = 'self_reported' order by touch_id"
    )


TOUCHES = [
    ("self_reported:record:hubspot:fair", "Offline", "03-01 12:00"),
    # the form says when, and is three minutes behind the CRM's clock: what made the lead came no later than it
    ("self_reported:submission:again", "Offline", "03-04 12:00"),
    ("self_reported:submission:late", "Referral", "01-20 12:00"),
    ("self_reported:submission:tracked", "Offline", "03-02 12:00"),
]  # "agrees" is the visit's own touch


def credit(house: House, model: str = "last") -> dict[tuple[str, str], dict[str, float]]:
    rows = house.rows(
        "select conversion_type, split_part(conversion_id, ':', 2), channel, credit from marts.fct_attribution "
        f"where model = '{model}' and entry = 'conversion'"
    )
    found: dict[tuple[str, str], dict[str, float]] = {}
    for kind, who, channel, share in rows:
        found.setdefault((kind, who), {})[channel] = share
    return found


def test_by_default_it_counts_where_nothing_was_tracked(warehouse: Callable[..., House]) -> None:
    house = warehouse(world(), *MODELS)
    assert self_reported(house) == TOUCHES
    credits = credit(house)
    assert credits["lead", "fair"] == credits["order", "fair"] == {"Offline": 1.0}
    assert credits["lead", "tracked"] == credits["order", "tracked"] == {"Paid Search": 1.0}
    assert credits["lead", "agrees"] == {"Organic Social": 1.0}
    # a form of which nothing is known is a touch that was seen: Direct
    assert credits["lead", "again"] == credits["lead", "late"] == {"Direct": 1.0}
    answers = dict(house.rows("select answer_id, tracked_channel from marts.fct_self_reported_sources"))
    assert answers["self_reported:submission:tracked"] == "Paid Search"
    ends = house.rows(
        "select first_touch_channel, last_touch_channel from marts.fct_leads where lead_id = 'hubspot:tracked'"
    )
    assert ends == [("Paid Search", "Paid Search")]
    house.build("fct_touchpoints", "fct_self_reported_sources", "path:tests/attribution", command="test")


def test_always_puts_it_beside_the_tracked_touches(warehouse: Callable[..., House]) -> None:
    house = warehouse(world(), *MODELS, rules={"attribution": {"self_reported": "always"}})
    assert self_reported(house) == TOUCHES
    assert credit(house, "linear")["lead", "tracked"] == {"Paid Search": 0.5, "Offline": 0.5}
    assert credit(house, "last_non_direct")["lead", "late"] == {"Referral": 1.0}


def test_never_leaves_it_to_the_list_of_answers(warehouse: Callable[..., House]) -> None:
    house = warehouse(world(), *MODELS, rules={"attribution": {"self_reported": "never"}})
    assert self_reported(house) == []
    assert credit(house)["lead", "fair"] == {"(unattributed)": 1.0}
    assert house.rows("select count(*), count(*) filter (is_touch) from marts.fct_self_reported_sources") == [(5, 0)]


def test_a_tracked_touch_outside_the_lookback_takes_nothing(warehouse: Callable[..., House]) -> None:
    """The visit was 100 days before the lead, the answer came with it."""
    contacts = [said("old", "podcast", "2026-03-20T12:00", ga_client_id="c-old")]
    visits = [session("c-old", "2025-12-10T12:00", "google", "cpc")]
    tables = {**portal(contacts), "ga4/sessions": visits}
    assert credit(warehouse(tables, *MODELS))["lead", "old"] == {"Offline": 1.0}
    assert credit(warehouse(tables, *MODELS, rules={"attribution": {"lookback_days": {"lead": 120}}}))[
        "lead", "old"
    ] == {"Paid Search": 1.0}


@pytest.mark.parametrize("mode", ["fallback", "always"])
def test_the_order_of_ingestion_changes_nothing(warehouse: Callable[..., House], mode: str) -> None:
    rules = {"attribution": {"self_reported": mode}}
    query = "select * from intermediate.int_touchpoints_unioned order by all"
    there = warehouse(world(), *MODELS, rules=rules).rows(query)
    backwards = {stream: list(rows)[::-1] for stream, rows in world().items()}
    assert warehouse(backwards, *MODELS, rules=rules).rows(query) == there
