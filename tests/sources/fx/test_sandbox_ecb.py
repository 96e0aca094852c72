"""The sandbox's central banks answer as the real ones do: asked with bare HTTP.

Shapes are those of https://data.ecb.europa.eu/help/api/data and https://cbr.ru/development/sxml/, as served.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from dagster_project.sandbox import Sandbox, serve

EXR = "/service/data/EXR/D..EUR.SP00.A"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today="2026-10-01", vendors=["fx"]) as running:
        yield running


def get(sandbox: Sandbox, path: str, **query: str) -> requests.Response:
    return requests.get(sandbox.endpoints["fx"] + path, params=query, timeout=10)


def test_the_ecb_table_by_currency_and_day(sandbox: Sandbox) -> None:
    period = {"startPeriod": "2026-03-05", "endPeriod": "2026-03-09", "format": "csvdata"}
    short = get(sandbox, EXR, detail="dataonly", **period).text.split()
    assert short[0] == "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE"
    usd = [line.split(",")[6] for line in short if line.startswith("EXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,")]
    assert usd == ["2026-03-05", "2026-03-06", "2026-03-09"]  # Thursday, Friday, Monday
    full = get(sandbox, EXR, **period).text.splitlines()
    assert full[0].startswith(short[0] + ",OBS_STATUS,")
    assert {line.count(",") for line in full} == {full[0].count(",")}
    one = get(sandbox, "/service/data/EXR/D.USD+CHF.EUR.SP00.A", **period).text.splitlines()
    assert {line.split(",")[2] for line in one[1:]} == {"USD", "CHF"}


def test_a_weekend_is_an_empty_body(sandbox: Sandbox) -> None:
    answer = get(sandbox, EXR, startPeriod="2026-03-07", endPeriod="2026-03-08", format="csvdata")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/service/data/XYZ/D..EUR.SP00.A", {"format": "csvdata"}, 404),
        ("/service/data/EXR/M..EUR.SP00.A", {"format": "csvdata"}, 404),
        (EXR, {}, 406),
        (EXR, {"format": "csvdata", "startPeriod": "yesterday"}, 400),
    ],
)
def test_what_the_ecb_refuses(sandbox: Sandbox, path: str, query: dict[str, str], status: int) -> None:
    assert get(sandbox, path, **query).status_code == status


def test_the_bank_of_russia_speaks_windows_1251_with_commas(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/scripts/XML_daily.asp", date_req="05/03/2026").content.decode("cp1251")
    assert answer.startswith('<?xml version="1.0" encoding="windows-1251"?><ValCurs Date="05.03.2026"')
    assert "<CharCode>AMD</CharCode><Nominal>100</Nominal><Name>Армянских драмов</Name><Value>" in answer
    assert answer.split("<Value>")[1].split("</Value>")[0].replace(",", "").isdigit()


def test_a_sunday_is_answered_with_the_table_of_saturday(sandbox: Sandbox) -> None:
    assert 'ValCurs Date="07.03.2026"' in get(sandbox, "/scripts/XML_daily.asp", date_req="08/03/2026").text


def test_the_bank_of_russia_says_errors_with_200(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/scripts/XML_dynamic.asp", date_req1="01/03/2026", date_req2="05/03/2026", VAL_NM_RQ="R0")
    assert (answer.status_code, "<ValCurs>Error in parameters</ValCurs>" in answer.text) == (200, True)
