"""Exchange rates: what the ECB and the Bank of Russia send becomes rates by day of validity; gaps stay gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from dagster_project.sandbox import Sandbox, serve
from dagster_project.sources import fx
from dagster_project.sources.fx import FxSettings
from dagster_project.wire.contract import DriftError, Tally, VendorError, Window
from tests.support.scripted_server import Reply, ScriptedServer

# Shape and values as published (Friday, then Monday); a currency that is no longer fixed has NaN or nothing.
ECB = """\
KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE
EXR.D.JPY.EUR.SP00.A,D,JPY,EUR,SP00,A,2026-01-09,184.2
EXR.D.RUB.EUR.SP00.A,D,RUB,EUR,SP00,A,2026-01-09,NaN
EXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2026-01-09,1.1712
EXR.D.RUB.EUR.SP00.A,D,RUB,EUR,SP00,A,2026-01-12,
EXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2026-01-12,1.1698
"""
JANUARY = Window(date(2026, 1, 9), date(2026, 1, 13))

CBR_DAY = """<?xml version="1.0" encoding="windows-1251"?>
<ValCurs Date="04.04.2025" name="Foreign Currency Market">
<Valute ID="R01060"><NumCode>051</NumCode><CharCode>AMD</CharCode><Nominal>100</Nominal>
<Name>Армянских драмов</Name><Value>21,5637</Value><VunitRate>0,215637</VunitRate></Valute>
<Valute ID="R01235"><NumCode>840</NumCode><CharCode>USD</CharCode><Nominal>1</Nominal>
<Name>Доллар США</Name><Value>84,3830</Value><VunitRate>84,383</VunitRate></Valute>
</ValCurs>""".encode("cp1251")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["fx"]) as running:
        yield running


def settings(url: str, *providers: str) -> FxSettings:
    return FxSettings.model_validate({"FX_ECB_URL": url, "FX_CBR_URL": url, "providers": providers})


def read(url: str, window: Window, *providers: str) -> tuple[list[dict], Tally]:
    tally = Tally()
    pages = list(fx.read_rates(settings(url, *providers), window, tally))
    for page in pages:
        assert page.rows.schema.equals(fx.RATES.schema)
    return [row for page in pages for row in page.rows.to_pylist()], tally


def test_ecb_rows_are_units_per_euro_and_what_is_not_fixed_is_no_row(scripted: ScriptedServer) -> None:
    scripted.reply(Reply(ECB))
    rows, tally = read(scripted.url, JANUARY, "ecb")
    assert [(str(r["date"]), r["base_currency"], r["currency"], r["rate"]) for r in rows] == [
        ("2026-01-09", "EUR", "JPY", 184.2),
        ("2026-01-09", "EUR", "USD", 1.1712),
        ("2026-01-12", "EUR", "USD", 1.1698),
    ]
    assert {(r["provider"], r["account_id"], r["_extra"]) for r in rows} == {("ecb", "ecb", None)}
    assert tally.api_calls == 1
    assert scripted.asked[0].path == "/service/data/EXR/D..EUR.SP00.A"
    assert scripted.asked[0].query == "startPeriod=2026-01-09&endPeriod=2026-01-12&format=csvdata&detail=dataonly"


def test_a_weekend_is_answered_with_nothing_and_is_no_error(scripted: ScriptedServer) -> None:
    scripted.reply(Reply(b""))
    assert read(scripted.url, Window(date(2026, 1, 10), date(2026, 1, 12)), "ecb")[0] == []


def test_nothing_at_all_for_weeks_is_not_believed(scripted: ScriptedServer) -> None:
    scripted.reply(Reply(b""))
    with pytest.raises(VendorError, match=r"no rate at all in 2026-01-01\.\.2026-01-15"):
        read(scripted.url, Window(date(2026, 1, 1), date(2026, 1, 16)), "ecb")


def test_a_404_is_an_outage_and_not_an_empty_period(scripted: ScriptedServer) -> None:
    scripted.reply(Reply({"status": 404, "error": "Not Found"}, 404))
    with pytest.raises(VendorError, match="FX_ECB_URL"):
        read(scripted.url, JANUARY, "ecb")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<html>maintenance</html>", "should have CURRENCY"),
        (ECB.replace("OBS_VALUE", "VALUE"), "should have CURRENCY"),
        (ECB.replace("1.1712", "n/a"), "USD on 2026-01-09: 'n/a' is not a number"),
        (ECB[: ECB.index(",1.1698")], "USD on 2026-01-12: the line has too few values"),
        (ECB.replace("1.1712", "0"), "0.0 USD for 1 EUR on 2026-01-09 is no rate"),
    ],
    ids=["web page", "renamed column", "no number", "cut line", "zero"],
)
def test_what_is_no_rate_is_refused_by_name(scripted: ScriptedServer, body: str, says: str) -> None:
    scripted.reply(Reply(body))
    with pytest.raises((DriftError, VendorError), match=f"fx/rates: .*{says}"):
        read(scripted.url, JANUARY, "ecb")


def test_a_new_column_of_the_ecb_is_kept_in_extra(scripted: ScriptedServer) -> None:
    scripted.reply(
        Reply("CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE,OBS_NOTE\nUSD,EUR,2026-01-09,1.1712,provisional\n")
    )
    rows, _ = read(scripted.url, JANUARY, "ecb")
    assert rows[0]["_extra"] == '{"OBS_NOTE": "provisional"}'


def test_roubles_are_per_unit_of_the_foreign_currency(scripted: ScriptedServer) -> None:
    scripted.reply(Reply(CBR_DAY))
    rows, _ = read(scripted.url, Window.of_day(date(2025, 4, 4)), "cbr")
    assert [(r["base_currency"], r["currency"], r["rate"]) for r in rows] == [
        ("AMD", "RUB", 0.215637),  # 21,5637 roubles for 100 drams
        ("USD", "RUB", 84.383),
    ]


def test_the_table_of_an_earlier_day_is_not_taken_for_the_day_asked(scripted: ScriptedServer) -> None:
    scripted.reply(Reply(CBR_DAY))
    assert read(scripted.url, Window.of_day(date(2025, 4, 6)), "cbr")[0] == []


@pytest.mark.parametrize(
    "body",
    [b"<html><title>DDoS-Guard</title>", b"<ValCurs>Error in parameters</ValCurs>", CBR_DAY[:200]],
    ids=["guard's page", "parameter error", "cut"],
)
def test_what_the_bank_of_russia_says_instead_of_rates_is_shown(scripted: ScriptedServer, body: bytes) -> None:
    scripted.reply(Reply(body))
    with pytest.raises(VendorError, match="FX_CBR_URL"):
        read(scripted.url, Window.of_day(date(2025, 4, 4)), "cbr")


# ---- over the wire, against the sandbox --------------------------------------------------------------------


def test_a_year_of_ecb_rates_is_one_call_and_equals_what_was_fixed(sandbox: Sandbox) -> None:
    window = Window(date(2025, 9, 1), date(2026, 9, 1))
    rows, tally = read(sandbox.endpoints["fx"], window, "ecb")
    fixed = {
        (row["date"], row["currency"]): row["rate"]
        for row in sandbox.company.fx_rates.to_pylist()
        if row["date"] in window
    }
    assert tally.api_calls == 1
    assert {(row["date"], row["currency"]): row["rate"] for row in rows} == fixed
    assert len(rows) == len(fixed) > 700
    assert not [row for row in rows if row["date"].weekday() >= 5]


def test_a_rate_that_is_not_yet_published_is_not_there(sandbox: Sandbox) -> None:
    rows, _ = read(sandbox.endpoints["fx"], Window(date(2026, 9, 28), date(2026, 10, 3)), "ecb")
    assert max(row["date"] for row in rows) == date(2026, 9, 30)  # it is the morning of 1 October


def test_roubles_by_day_and_by_currency_are_the_same_and_take_the_fewer_calls(sandbox: Sandbox) -> None:
    url = sandbox.endpoints["fx"]
    week = Window(date(2026, 3, 2), date(2026, 3, 9))  # Monday to Sunday
    by_day, short = read(url, week, "cbr")
    by_currency, long = read(url, Window(date(2025, 9, 1), date(2026, 9, 1)), "cbr")
    key = lambda row: (row["date"], row["base_currency"])  # noqa: E731
    assert short.api_calls == 7
    assert long.api_calls == 2 + 5  # the lists of the first and the last day, then one call per currency
    assert sorted(by_day, key=key) == sorted((row for row in by_currency if row["date"] in week), key=key)
    assert {row["date"].weekday() for row in by_currency} == {1, 2, 3, 4, 5}  # Tuesday to Saturday


def test_both_providers_can_be_asked(sandbox: Sandbox) -> None:
    rows, _ = read(sandbox.endpoints["fx"], Window(date(2026, 3, 2), date(2026, 3, 9)), "ecb", "cbr")
    assert {
        (row["provider"], row["base_currency"] if row["provider"] == "ecb" else row["currency"]) for row in rows
    } == {
        ("ecb", "EUR"),
        ("cbr", "RUB"),
    }


@pytest.mark.parametrize("fault", ["throttle", "server_error", "reset", "truncated"])
def test_passing_faults_change_nothing(sandbox: Sandbox, waits: list[float], fault: str) -> None:
    window = Window(date(2026, 3, 2), date(2026, 3, 9))
    unharmed, _ = read(sandbox.endpoints["fx"], window, "ecb")
    sandbox.faults.set("fx", fault, 2)
    rows, tally = read(sandbox.endpoints["fx"], window, "ecb")
    assert rows == unharmed
    assert tally.retries == 2


def test_the_stream_says_how_much_it_needs_before_a_window() -> None:
    assert fx.RATES.lead_in_days == 14  # as long as a rate may be carried
