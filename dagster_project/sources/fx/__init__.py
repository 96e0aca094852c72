"""Exchange rates as central banks fix them: the ECB (units per euro) and the Bank of Russia (roubles).

Rows are what was fixed, on the day for which it holds; a weekend has none and is an empty day. Carrying a
rate over such days is the business of SQL. A window's first days may need a rate from before it: the stream
says so with `lead_in_days`, and the caller asks for a longer window.

ECB: https://data.ecb.europa.eu/help/api/data · Bank of Russia: https://cbr.ru/development/sxml/
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import requests

from dagster_project.sources.fx.descriptions import ABOUT, COLUMNS
from dagster_project.wire.columns import to_table
from dagster_project.wire.contract import ConfigError, DriftError, Page, Stream, Tally, VendorError, Window, schema
from dagster_project.wire.http import Http, Json, Verdict, start_of
from dagster_project.wire.source import Source
from dagster_project.wire.variables import Given, HostAddress, SourceSettings, variable

Rate = dict[str, Json]  # a row of the stream, with what else the bank sent

NAME, STREAM = "fx", "rates"
# A rate is fixed once (ECB: about 16:00 in Frankfurt; Bank of Russia: the afternoon before) and corrected
# hardly ever; the day is read again because a fixing can be published late.
RESTATE_DAYS, DEEP_RESTATE_DAYS = 2, 14
LEAD_IN_DAYS = 14  # as long as a rate may be carried: New Year in Moscow

ECB_PATH = "/service/data/EXR/D..EUR.SP00.A"  # daily, every currency, against the euro, spot, average
_ECB_FIELDS = {
    "KEY",
    "FREQ",
    "CURRENCY",
    "CURRENCY_DENOM",
    "EXR_TYPE",
    "EXR_SUFFIX",
    "TIME_PERIOD",
    "OBS_VALUE",
}
CBR_DAY_PATH, CBR_CURRENCY_PATH = "/scripts/XML_daily.asp", "/scripts/XML_dynamic.asp"


class FxSettings(SourceSettings):
    ecb_url: HostAddress = variable("FX_ECB_URL", "", "https://data-api.ecb.europa.eu")
    cbr_url: HostAddress = variable("FX_CBR_URL", "", "https://www.cbr.ru")
    providers: tuple[str, ...] = ("ecb",)

    @classmethod
    def from_rules(cls, given: Given) -> dict[str, Any] | None:
        providers = tuple(p for p in given.rules.exchange_rates.providers if p != "file")
        return {"providers": providers} if providers else None


def read_rates(settings: FxSettings, window: Window, tally: Tally) -> Iterator[Page]:
    """Grain: day, provider, base currency, currency. `rate` = units of `currency` for 1 `base_currency`.

    The ECB takes one call a window; the Bank of Russia one per day or one per currency, whichever is fewer.
    """
    for provider in settings.providers:
        if provider == "ecb":
            records = _read_ecb(settings.ecb_url, window, tally)
        elif provider == "cbr":
            records = _read_cbr(settings.cbr_url, window, tally)
        else:
            raise ConfigError(f"no provider {provider!r}; there are ecb, cbr and file", source=NAME, stream=STREAM)
        _check(provider, window, records)
        yield Page(to_table(RATES, [{"provider": provider, "account_id": provider, **record} for record in records]))


def _check(provider: str, window: Window, records: list[Rate]) -> None:
    if not records and len(window.days()) > LEAD_IN_DAYS:
        raise VendorError(
            f"{provider}: no rate at all in {window}; no central bank pauses that long: not believed",
            source=NAME,
            stream=STREAM,
        )
    for record in records:
        if not record["rate"] > 0:
            raise VendorError(
                f"{provider}: {record['rate']} {record['currency']} for 1 {record['base_currency']} "
                f"on {record['date']} is no rate",
                source=NAME,
                stream=STREAM,
            )


# ---- ECB ---------------------------------------------------------------------------------------------------


def _read_ecb(url: str, window: Window, tally: Tally) -> list[Rate]:
    parameters = {
        "startPeriod": str(window.start),
        "endPeriod": str(window.last),
        "format": "csvdata",
        "detail": "dataonly",
    }
    with Http(NAME, url, tally, judge=_judge_ecb) as http:
        return parse_ecb(http.request("GET", ECB_PATH, params=parameters).content.decode("utf-8-sig"))


def parse_ecb(text: str) -> list[Rate]:
    """Rates of a `csvdata` answer. A period without fixings is answered with nothing at all."""
    lines = csv.DictReader(io.StringIO(text))
    if text and not {"CURRENCY", "CURRENCY_DENOM", "TIME_PERIOD", "OBS_VALUE"} <= set(lines.fieldnames or ()):
        raise DriftError(
            "the ECB's table should have CURRENCY, CURRENCY_DENOM, TIME_PERIOD and OBS_VALUE, "
            f"but starts {text[:80]!r}",
            source=NAME,
            stream=STREAM,
        )
    records = []
    for line in lines:
        where = f"ECB, {line['CURRENCY']} on {line['TIME_PERIOD']}"
        if line["OBS_VALUE"] is None:
            raise DriftError(f"{where}: the line has too few values", source=NAME, stream=STREAM)
        rate = _number(line["OBS_VALUE"] or "NaN", where)
        if math.isnan(rate):  # a currency that is fixed no longer goes on without a value (RUB since 2022)
            continue
        unknown = {name: value for name, value in line.items() if name not in _ECB_FIELDS and value}
        records.append(
            {
                "date": line["TIME_PERIOD"],
                "base_currency": line["CURRENCY_DENOM"],
                "currency": line["CURRENCY"],
                "rate": rate,
                **unknown,
            }
        )
    return records


def _judge_ecb(response: requests.Response) -> Verdict | None:
    # "404 No results found" is documented for an empty period, but what is served is 200 with no body. A 404
    # has been an outage of the query (May 2025): as an empty window it would silently carry old rates on.
    if response.status_code == 404:
        said = start_of(response)
        mend = "If FX_ECB_URL is right, the service is in trouble; run again later"
        return Verdict(error=VendorError(f"the ECB does not know {ECB_PATH} (404: {said}). {mend}", source=NAME))
    return None


# ---- Bank of Russia ----------------------------------------------------------------------------------------


def _read_cbr(url: str, window: Window, tally: Tally) -> list[Rate]:
    with Http(NAME, url, tally) as http:

        def day_table(day: date) -> ElementTree.Element:
            return _xml(http.request("GET", CBR_DAY_PATH, params={"date_req": _slashed(day)}))

        days = window.days()
        # Currencies come and go: those of the last day and of the first are those of the window.
        tables = {day: day_table(day) for day in sorted({days[-1], days[0]})}
        listed = [valute for table in tables.values() for valute in table.iter("Valute")]
        codes = {valute.get("ID", "").strip(): _text(valute, "CharCode") for valute in listed}
        if len(days) <= len(codes) + len(tables):
            tables |= {day: day_table(day) for day in days if day not in tables}
            return [record for day in days for record in parse_cbr_day(tables[day], day)]
        between = {"date_req1": _slashed(window.start), "date_req2": _slashed(window.last)}
        return [
            record
            for vendor_id, currency in sorted(codes.items())
            for record in parse_cbr_currency(
                _xml(http.request("GET", CBR_CURRENCY_PATH, params={**between, "VAL_NM_RQ": vendor_id})),
                currency,
            )
        ]


def parse_cbr_day(table: ElementTree.Element, day: date) -> list[Rate]:
    """Rates of an XML_daily answer; none where it is the table of an earlier day."""
    if _day(table) != day:
        return []
    return [_cbr_record(valute, day, _text(valute, "CharCode")) for valute in table.iter("Valute")]


def parse_cbr_currency(table: ElementTree.Element, currency: str) -> list[Rate]:
    """Rates of an XML_dynamic answer: one currency, the days that have a rate of their own."""
    return [_cbr_record(record, _day(record), currency) for record in table.iter("Record")]


def _cbr_record(element: ElementTree.Element, day: date, currency: str) -> Rate:
    # "21,5637" roubles for a nominal of 100 drams
    where = f"Bank of Russia, {currency} on {day}"
    rate = _number(_text(element, "Value"), where) / _number(_text(element, "Nominal"), where)
    return {"date": day, "base_currency": currency, "currency": "RUB", "rate": rate}


def _xml(response: requests.Response) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(response.content)  # windows-1251, as its first line says
    except ElementTree.ParseError:
        root = None
    if root is None or root.tag != "ValCurs" or (root.text or "").strip():  # "Error in parameters" is text
        raise VendorError(
            f"the Bank of Russia answered {response.url.partition('?')[0]} with something else than rates "
            f"(starts {start_of(response)[:120]!r}); is FX_CBR_URL right, and does the bank accept calls "
            "from here?",
            source=NAME,
            stream=STREAM,
        )
    return root


def _day(element: ElementTree.Element) -> date:
    try:
        return datetime.strptime(element.get("Date", ""), "%d.%m.%Y").date()
    except ValueError:
        what = f"the Bank of Russia's Date is {element.get('Date')!r}, not dd.mm.yyyy"
        raise DriftError(what, source=NAME, stream=STREAM) from None


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.findtext(name)
    if not text:
        raise DriftError(f"the Bank of Russia's <{element.tag}> has no <{name}>", source=NAME, stream=STREAM)
    return text.strip()


def _slashed(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _number(text: str, where: str) -> float:
    try:
        return float(Decimal(text.replace(",", ".").replace("\xa0", "")))
    except InvalidOperation:
        raise DriftError(f"{where}: {text!r} is not a number", source=NAME, stream=STREAM) from None


RATES = Stream(
    source=NAME,
    name=STREAM,
    domain="rates",
    kind="report",
    key=("date", "provider", "base_currency", "currency"),
    schema=schema(
        ("date", pa.date32()),
        ("provider", pa.string()),
        ("base_currency", pa.string()),
        ("currency", pa.string()),
        ("rate", pa.float64()),
    ),
    day="date",
    restate_days=RESTATE_DAYS,
    deep_restate_days=DEEP_RESTATE_DAYS,
    lead_in_days=LEAD_IN_DAYS,
    additive=False,
    feeds=("rates",),
    read=read_rates,
    description="Reference rates by day of validity: units of currency for 1 unit of the base currency.",
)
STREAMS = (RATES,)

SOURCE = Source(
    name=NAME,
    title="Exchange rates of central banks",
    gives="reference rates; on unless `exchange_rates.providers` in funnelhouse.yml is empty or only `file`",
    settings=FxSettings,
    streams=STREAMS,
    about=ABOUT,
    columns=COLUMNS,
    switch="`exchange_rates: {{providers: [ecb]}}` in funnelhouse.yml",
)
