"""The parser of landing URLs: the compiled macros run in DuckDB over addresses as people write them.

Expected values by RFC 3986 and, for broken addresses, by what their writers meant; where nothing is broken, Python's
urllib is a second implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import duckdb
import pytest

from tests.support.house import DbtProject

SITE = "https://shop.example/kit"

# an address, and what it says: source, medium, campaign
CASES: list[tuple[str, str, tuple[str | None, str | None, str | None]]] = [
    ("plain", "?utm_source=google&utm_medium=cpc&utm_campaign=spring", ("google", "cpc", "spring")),
    ("other parameters before and between", "?id=7&utm_source=google&x=1&utm_medium=cpc", ("google", "cpc", None)),
    ("percent-encoded once", "?utm_source=e%2Dnews&utm_campaign=50%25%20off", ("e-news", None, "50% off")),
    ("plus is a space", "?utm_source=a&utm_campaign=spring+sale", ("a", None, "spring sale")),
    ("an encoded plus is a plus", "?utm_source=a&utm_campaign=c%2B%2B", ("a", None, "c++")),
    ("encoded twice: decoded once", "?utm_source=a&utm_campaign=spring%2520sale", ("a", None, "spring%20sale")),
    ("Cyrillic, encoded", "?utm_source=yandex&utm_campaign=%D0%92%D0%B5%D1%81%D0%BD%D0%B0", ("yandex", None, "Весна")),
    ("Cyrillic, as typed", "?utm_source=yandex&utm_campaign=Весна", ("yandex", None, "Весна")),
    ("Persian, encoded in lower-case hex", "?utm_source=a&utm_campaign=%d8%a8%d9%87%d8%a7%d8%b1", ("a", None, "بهار")),
    ("an encoded ampersand belongs to the value", "?utm_source=a%26b&utm_medium=x", ("a&b", "x", None)),
    ("an equals sign in a value", "?utm_source=a&utm_campaign=x=y", ("a", None, "x=y")),
    ("a question mark in a value (RFC 3986, 3.4)", "?utm_source=a&utm_campaign=why?", ("a", None, "why?")),
    ("&amp; between parameters", "?utm_source=a&amp;utm_medium=b&amp;utm_campaign=c", ("a", "b", "c")),
    ("&#038; between parameters", "?utm_source=a&#038;utm_medium=b&#038;utm_campaign=c", ("a", "b", "c")),
    ("&amp; escaped twice", "?utm_source=a&amp;amp;utm_medium=b", ("a", "b", None)),
    ("a second question mark", "?x=1?utm_source=a&utm_medium=b", ("a", "b", None)),
    ("repeated: the first counts", "?utm_source=first&utm_source=second&utm_medium=b", ("first", "b", None)),
    ("repeated: an empty one does not count", "?utm_source=&utm_source=second", ("second", None, None)),
    ("behind the fragment", "#utm_source=a&utm_medium=b", ("a", "b", None)),
    ("behind a route in the fragment", "#/pricing?utm_source=a&utm_medium=b", ("a", "b", None)),
    ("the fragment ends a value", "?utm_source=a&utm_medium=b#top", ("a", "b", None)),
    ("names in upper case", "?UTM_Source=Google&Utm_Medium=cpc&utm_CAMPAIGN=x", ("Google", "cpc", "x")),
    ("an encoded underscore in the name", "?utm%5Fsource=a&utm%5fmedium=b", ("a", "b", None)),
    ("a broken sequence stays", "?utm_source=a&utm_campaign=100%", ("a", None, "100%")),
    ("a broken sequence beside a whole one", "?utm_source=a&utm_campaign=%ZZ%20x", ("a", None, "%ZZ x")),
    ("bytes that are no UTF-8 stay", "?utm_source=a&utm_campaign=%C2%E5%F1%ED%E0", ("a", None, "%C2%E5%F1%ED%E0")),
    ("a macro that nobody expanded stays", "?utm_source=a&utm_campaign=%7Bcampaign%7D", ("a", None, "{campaign}")),
    ("empty", "?utm_source=&utm_medium=&utm_campaign=", (None, None, None)),
    ("no value at all", "?utm_source&utm_medium", (None, None, None)),
    ("nothing", "", (None, None, None)),
    ("a name that only ends like it", "?xutm_source=a&my_utm_source=b", (None, None, None)),
    ("a name that only begins like it", "?utm_source_platform=x&utm_sources=y", (None, None, None)),
    ("tags of another address inside an encoded parameter", "?to=https%3A%2F%2Fx.example%3Futm_source%3Da", (None, None, None)),
    ("in the path: no parameter", "/utm_source=a", (None, None, None)),
]  # fmt: skip
BY_NAME = {name: (query, expected) for name, query, expected in CASES}

# urllib keeps the fragment apart, gives U+FFFD for bytes that are no UTF-8 and knows no HTML: we differ on purpose
UNLIKE_URLLIB = {
    "&amp; between parameters", "&#038; between parameters", "&amp; escaped twice", "a second question mark",
    "behind the fragment", "behind a route in the fragment", "names in upper case", "bytes that are no UTF-8 stay",
}  # fmt: skip

Evaluate = Callable[[str, Sequence[str | None]], list[Any]]


@pytest.fixture(scope="module")
def evaluate(dbt_project: DbtProject) -> Evaluate:
    """`evaluate("url_param('value', 'utm_source')", values)`: the macro's SQL, compiled by dbt, over the values."""
    compiled: dict[str, str] = {}
    with duckdb.connect() as connection:

        def run(call: str, values: Sequence[str | None]) -> list[Any]:
            if call not in compiled:
                result = dbt_project.run(
                    dbt_project.empty_warehouse.parent, "compile", "--inline", f"select {{{{ {call} }}}}"
                )
                assert result.success, result.exception
                compiled[call] = result.result.results[0].node.compiled_code
            sql = f"{compiled[call]} as result from (select unnest($values) as value, generate_subscripts($values, 1) as place) order by place"
            return [row[0] for row in connection.execute(sql, {"values": list(values)}).fetchall()]

        yield run


@pytest.mark.parametrize("place", [0, 1, 2], ids=["source", "medium", "campaign"])
def test_a_parameter_of_an_address(evaluate, place) -> None:
    name = ["utm_source", "utm_medium", "utm_campaign"][place]
    found = evaluate(f"url_param('value', '{name}')", [SITE + query for _, query, _ in CASES])
    assert dict(zip(BY_NAME, found, strict=True)) == {case: expected[place] for case, _, expected in CASES}


def test_the_parser_agrees_with_urllib_where_nothing_is_broken(evaluate) -> None:
    cases = {case: SITE + query for case, query, _ in CASES if case not in UNLIKE_URLLIB}
    words = [
        "spring sale",
        "a&b=c",
        "Весна",
        "بهار",
        "50% off",
        "c++",
        "naïve",
        "日本語",
        "x/y?z#w",
        "emoji 🎈",
        "'quoted'",
    ]
    cases |= {word: f"{SITE}?x=1&utm_source={quote(word, safe='')}&y=2" for word in words}
    expected = {}
    for case, url in cases.items():
        values = parse_qs(urlsplit(url).query).get("utm_source")
        expected[case] = values[0] if values else None
    found = evaluate("url_param('value', 'utm_source')", list(cases.values()))
    assert dict(zip(cases, found, strict=True)) == expected
    assert len([v for v in expected.values() if v]) > 25  # the comparison is about something


@pytest.mark.parametrize(
    ("raw", "normalised"),
    [
        ("Google", "google"),
        ("  Spring Sale  ", "spring sale"),
        ("spring%20sale", "spring sale"),  # GA4 delivers some values still encoded
        ("%D0%92%D0%B5%D1%81%D0%BD%D0%B0", "весна"),
        ("ВЕСНА", "весна"),
        ("\u200bgoo\u200dgle\ufeff", "google"),  # zero width
        ("\u202egoogle\u202c\u2066x\u2069", "googlex"),  # bidirectional
        ("\u200fبهار\u200e", "بهار"),
        ("cafe\u0301", "caf\u00e9"),  # NFC
        ("\u00a0email\u00a0", "email"),
        ("100%", "100%"),
        ("%C2%E5%F1%ED%E0", "%c2%e5%f1%ed%e0"),
        ("(Not Set)", "(not set)"),
        ("", None),
        ("\u200b", None),
        (None, None),
    ],
)
def test_a_value_as_it_is_compared(evaluate, raw, normalised) -> None:
    assert evaluate("normalise_utm('value')", [raw]) == [normalised]


@pytest.mark.parametrize(
    ("query", "click_id"),
    [
        ("?gclid=Cj0KCQ", "gclid"),
        ("?gbraid=1", "gbraid"),
        ("?wbraid=1", "wbraid"),
        ("?dclid=1", "dclid"),
        ("?msclkid=1", "msclkid"),
        ("?yclid=1", "yclid"),
        ("?ttclid=1", "ttclid"),
        ("?li_fat_id=1", "li_fat_id"),
        ("?twclid=1", "twclid"),
        ("?ScCid=1", "sccid"),
        ("?sccid=1", "sccid"),
        ("?epik=1", "epik"),
        ("?rdt_cid=1", "rdt_cid"),
        ("?fbclid=1", "fbclid"),
        ("?srsltid=1", "srsltid"),
        ("?utm_source=x&amp;gclid=1", "gclid"),
        ("?utm_source=x&#038;gclid=1", "gclid"),
        ("#gclid=1", "gclid"),
        ("?GCLID=1", "gclid"),
        ("?gclid=", None),
        ("?gclid=&gclid=1", "gclid"),
        ("?gclid=&x=1", None),
        ("?fbclid=1&gclid=2", "gclid"),  # a click id that proves payment outranks one that does not
        ("?wbraid=1&gbraid=2", "gbraid"),
        ("?xgclid=1&my_yclid=2", None),
        ("?lixfatxid=1", None),
        ("", None),
        ("?utm_source=x&amp%3Bgclid=1", "gclid"),
        ("?utm_source=x#038;fbclid=1", "fbclid"),
        ("?gclid={gclid}&msclkid=2", "msclkid"),  # the template of one platform, imported by another
    ],
)
def test_the_click_id_of_an_address(evaluate, query, click_id) -> None:
    assert evaluate(CLICK_ID, [SITE + query]) == [click_id]


# what tools and people leave where a click id should be
PLACEHOLDERS = [
    "{gclid}", "%7Bgclid%7D", "%257Bgclid%257D", "{{gclid}}", "${gclid}", "$gclid", "%24%7Bgclid%7D", "[gclid]", "%5Bgclid%5D", "<gclid>",
    "%3Cgclid%3E", "__CLICKID__", "%%CLICKID%%", "%gclid%", "gclid", "GCLID", "undefined", "Undefined", "null", "NULL", "none", "NaN", "nil",
    "n/a", "N%2FA", "(not%20set)", "(none)", "unknown", "test", "true", "0", "000", "-", "--", "%E2%80%94", "xxx", "%20", "+", "%22%22", "''",
    "[object%20Object]", "[INSERT_CLICK_ID]",
]  # fmt: skip


def test_placeholders_are_no_click_ids(evaluate) -> None:
    for name in ("gclid", "wbraid", "fbclid", "ScCid"):
        urls = [f"{SITE}?{name}={placeholder}&utm_source=x" for placeholder in PLACEHOLDERS]
        found = dict(zip(PLACEHOLDERS, evaluate(CLICK_ID, urls), strict=True))
        assert found == dict.fromkeys(PLACEHOLDERS)
    ids = [
        "Cj0KCQjw_-x",
        "IwAR0undefined",
        "nullable",
        "testing",
        "EAIaIQ",
        "0AAAA",
        "_gclid_1",
        "1-2.3",
        "UTICj0",
        "%7",
        "100",
    ]
    assert evaluate(CLICK_ID, [f"{SITE}?gclid={each}" for each in ids]) == ["gclid"] * len(ids)


# how an address is said without its scheme, and what is none
@pytest.mark.parametrize(
    ("address", "host", "path"),
    [
        ("https://www.shop.example/a/?x=1", "shop.example", "/a"),
        ("www.google.com", "google.com", "/"),
        ("google.com/search?q=https://x.example/", "google.com", "/search"),
        ("t.co/abc", "t.co", "/abc"),
        ("//www.google.com/", "google.com", "/"),
        ("https:/www.google.com/a", "google.com", "/a"),
        ("HTTPS://Shop.Example/A", "shop.example", "/A"),
        ("shop.example:8080/a", "shop.example", "/a"),
        ("почта.рф/вход", "почта.рф", "/вход"),
        ("com.linkedin.android", "com.linkedin.android", "/"),
        ("android-app://com.linkedin.android/", "com.linkedin.android", "/"),
        ("192.168.0.1/a", "192.168.0.1", "/a"),
        ("/pricing?gclid=1", None, "/pricing"),
        ("/a.b/c.html", None, "/a.b/c.html"),
        ("pricing.html?x=1", None, "pricing.html"),
        ("index.php", None, "index.php"),
        ("pricing", None, "pricing"),
        ("$direct", None, "$direct"),
        ("(direct)", None, "(direct)"),
        ("v2.0/docs", None, "v2.0/docs"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_an_address_with_and_without_its_scheme(evaluate, address, host, path) -> None:
    assert evaluate("url_host('value')", [address]) == [host]
    assert evaluate("url_path('value')", [address]) == [path]


# a URL whose '&amp;' lost a part on its way, and what it says: source, medium, campaign
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?utm_source=a&amp;utm_medium=b&amp;utm_campaign=c", ("a", "b", "c")),
        ("?utm_source=a&amp;amp;utm_medium=b", ("a", "b", None)),
        ("?utm_source=a#038;utm_medium=b#038;utm_campaign=c", ("a", "b", "c")),
        ("?utm_source=a&038;utm_medium=b", ("a", "b", None)),
        ("?utm_source=a&#x26;utm_medium=b", ("a", "b", None)),
        ("?utm_source=aamp;utm_medium=bamp;utm_campaign=c", ("a", "b", "c")),
        ("?utm_source=a&amputm_medium=b", ("a", "b", None)),
        ("?utm_source=a&amp%3Butm_medium=b", ("a", "b", None)),
        ("?amp;utm_source=a&amp;utm_medium=b", ("a", "b", None)),
        ("?utm_source=a;utm_medium=b;utm_campaign=c", ("a", "b", "c")),
        ("?utm_source=a&lt;br&gt;&utm_medium=b", ("a", "b", None)),
        ("?utm_source=a&lt;utm_medium=b", ("a", "b", None)),
        ("?utm_source=a;b&utm_medium=b", ("a;b", "b", None)),  # a semicolon before no tag is the value's
        ("?utm_source=amp;x&utm_medium=amp", ("amp;x", "amp", None)),
        ("?utm_source=38;utm_medium=b", ("38", "b", None)),
        ("?utm_campaign=x&amp=1&utm_source=a", ("a", None, "x")),
    ],
)
def test_entities_that_lost_a_part(evaluate, query, expected) -> None:
    found = tuple(
        evaluate(f"url_param(mended_address('value'), 'utm_{name}')", [SITE + query])[0]
        for name in ("source", "medium", "campaign")
    )
    assert found == expected


# the name of the click id that counts in an address, read as the models read it
CLICK_ID = (
    "'(select ' ~ click_id_of('parsed', landing_click_ids() + ['srsltid']) ~ ' from (select ' ~ landing_columns('address', 'url') ~ ', ' "
    "~ usable_id(rare_url_param('address', 'srsltid')) ~ ' as srsltid from (select value as url, ' ~ mended_address('value') "
    "~ ' as address)) as parsed)'"
)

# every id that the brief of the registry names, in the order of precedence: payment is proved, then not
REGISTRY = [
    "gclid", "gbraid", "wbraid", "dclid", "msclkid", "yclid", "ttclid", "li_fat_id", "twclid", "ScCid", "epik", "rdt_cid",
    "fbclid", "srsltid",
]  # fmt: skip
IMPLIES = {
    "gclid": ("google", "cpc"), "gbraid": ("google", "cpc"), "wbraid": ("google", "cpc"), "dclid": ("dv360", "display"),
    "msclkid": ("bing", "cpc"), "yclid": ("yandex", "cpc"), "ttclid": ("tiktok", "paid_social"),
    "li_fat_id": ("linkedin", "paid_social"), "twclid": ("twitter", "paid_social"), "ScCid": ("snapchat", "paid_social"),
    "epik": ("pinterest", "paid_social"), "rdt_cid": ("reddit", "paid_social"), "fbclid": ("facebook", "referral"),
    "srsltid": ("google", "organic"),
}  # fmt: skip


def test_the_registry_of_click_ids_is_complete(house) -> None:
    rows = house.rows("select click_id, source, medium, is_paid from staging.click_ids order by precedence")
    assert [row[0] for row in rows] == REGISTRY
    assert {row[0]: row[1:3] for row in rows} == IMPLIES
    assert [row[0] for row in rows if not row[3]] == ["fbclid", "srsltid"]


VALUE_PROBLEMS = {
    "spring": [],
    "50% off": ["spaces"],
    "Spring Sale": ["spaces", "upper_case"],
    "{campaign}": ["unexpanded_macro"],
    "{{campaign.name}}": ["unexpanded_macro"],
    "__CAMPAIGN__": ["unexpanded_macro", "upper_case"],
    "%%KEYWORD%%": ["unexpanded_macro", "upper_case"],
    "x_{adgroupid}_y": ["unexpanded_macro"],
    "a__b__c": [],
    "spring%20sale": ["double_encoding"],
    "%D0%B2": ["double_encoding", "upper_case"],
    "%c2%e5": ["broken_encoding"],
    "%u0432": ["broken_encoding"],
    "100%": [],
    "undefined": ["placeholder"],
    "NULL": ["placeholder", "upper_case"],
    "\u200bx": ["invisible_characters"],
    "x ": ["invisible_characters"],
    "весна": [],
    "بهار": [],
    "Весна": ["upper_case"],
}


def test_what_is_wrong_with_a_value(evaluate) -> None:
    values = list(VALUE_PROBLEMS)
    found: dict[str, list[str]] = {value: [] for value in values}
    for name in [
        "unexpanded_macro",
        "broken_encoding",
        "double_encoding",
        "placeholder",
        "invisible_characters",
        "spaces",
        "upper_case",
    ]:
        for value, holds in zip(values, evaluate(f"dict(value_problems('value'))['{name}']", values), strict=True):
            if holds:
                found[value].append(name)
    assert found == VALUE_PROBLEMS


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("?utm_source=a&utm_medium=b", None),
        ("?UTM_Source=a", "parameter_upper_case"),
        ("?utm_Source=a", "parameter_upper_case"),
        ("?utm_source=Google", None),
        ("?utm_source=a&amp;utm_medium=b", "html_entity"),
        ("?utm_source=a&#038;utm_medium=b", "html_entity"),
        ("#utm_source=a", "after_fragment"),
        ("?utm_source=a#utm_source=b", "repeated_parameter"),
        ("?utm_source=a&utm_source=b", "repeated_parameter"),
        ("?utm_source=a&utm_source_platform=b", None),
        ("?UTM_SOURCE=a&amp;utm_medium=b&utm_medium=c", "parameter_upper_case;html_entity;repeated_parameter"),
        ("?gclid=1", None),
        ("", None),
    ],
)
def test_what_is_wrong_with_the_parameters_of_an_address(evaluate, query, problems) -> None:
    assert evaluate("url_problems('value')", [SITE + query]) == [problems]
