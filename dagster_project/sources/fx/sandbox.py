"""The sandbox's central banks on one port: the ECB's data API and the Bank of Russia's XML, as they answer.

The ECB's rates are the company's (`Company.fx_rates`). The Bank of Russia's are made from them and a euro in
roubles that is invented here: it sets a rate in the afternoon for the next day, Tuesday to Saturday, and
rests from 1 to 8 January.

https://data.ecb.europa.eu/help/api/data · https://cbr.ru/development/sxml/
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pyarrow.compute as pc
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dagster_project.sandbox.company import HISTORY_START
from dagster_project.sandbox.endpoints import Served
from dagster_project.sandbox.faults import Answer, FaultAnswers, Faults

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from dagster_project.sandbox.company import Company
    from dagster_project.sandbox.server import Clock

VENDOR = "fx"
MOSCOW = "Europe/Moscow"

FAULT_ANSWERS: FaultAnswers = {"server_error": Answer(503, "Service unavailable")}

_DATA_ONLY = "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE"
_FULL = f"{_DATA_ONLY},OBS_STATUS,OBS_CONF,OBS_PRE_BREAK,OBS_COM,TIME_FORMAT,DECIMALS,TITLE,UNIT,UNIT_MULT"

# The bank's own codes; a nominal of 100 or more where one unit is worth little.
_VALUTES = {
    "USD": ("R01235", "840", 1, "Доллар США"),
    "EUR": ("R01239", "978", 1, "Евро"),
    "GBP": ("R01035", "826", 1, "Фунт стерлингов"),
    "CHF": ("R01775", "756", 1, "Швейцарский франк"),
    "AMD": ("R01060", "051", 100, "Армянских драмов"),
}
_AMD_PER_EUR = 448.2


class _Banks:
    def __init__(self, company: Company, clock: Clock, faults: Faults) -> None:
        self._company, self._clock, self._faults = company, clock, faults

    # ---- ECB -----------------------------------------------------------------------------------------------

    def series(self, request: Request) -> Response:
        if request.path_params["flow"] != "EXR":
            return PlainTextResponse("No results found", 404)
        if request.query_params.get("format") != "csvdata":  # the real one also speaks XML and JSON
            return PlainTextResponse("Not Acceptable", 406)
        try:
            frequency, currencies, base, kind, suffix = request.path_params["key"].split(".")
            first = date.fromisoformat(request.query_params.get("startPeriod", "1999-01-04"))
            last = date.fromisoformat(request.query_params.get("endPeriod", "9999-12-31"))
        except ValueError:
            return PlainTextResponse("Syntax error", 400)
        if (frequency, base, kind, suffix) != ("D", "EUR", "SP00", "A"):
            return PlainTextResponse("No results found", 404)
        rates = self._company.fx_rates_as_of(self._clock.now())
        rates = rates.filter(pc.and_(pc.greater_equal(rates["date"], first), pc.less_equal(rates["date"], last)))
        rows = sorted((row["currency"], row["date"], row["rate"]) for row in rates.to_pylist())
        wanted = set(currencies.split("+")) if currencies else {row[0] for row in rows}
        rows = [row for row in rows if row[0] in wanted]
        if not rows:  # not the documented 404: a period without fixings is answered with an empty body
            return Response(b"", media_type="text/csv")
        is_short = request.query_params.get("detail") == "dataonly"
        drift = self._faults.take(VENDOR, "unknown_field", f"{request.method} {request.url.path}") is not None
        lines = [(_DATA_ONLY if is_short else _FULL) + (",OBS_NOTE" if drift else "")]
        for currency, day, rate in rows:
            line = f"EXR.D.{currency}.EUR.SP00.A,D,{currency},EUR,SP00,A,{day},{rate}"
            rest = "" if is_short else f",A,F,,,P1D,4,{currency}/Euro,{currency},0"
            lines.append(line + rest + (",new" if drift else ""))
        return Response("\r\n".join(lines) + "\r\n", media_type="text/csv")

    # ---- Bank of Russia ------------------------------------------------------------------------------------

    def day(self, request: Request) -> Response:
        asked = _day_of(request.query_params.get("date_req"))
        if asked is None:
            return _xml("<ValCurs>Error in parameters</ValCurs>")
        day = min(asked, self._newest_rate_day())
        while not _has_rouble_rate(day) and day > HISTORY_START - timedelta(days=30):
            day -= timedelta(days=1)  # a day without a rate is answered with the table of the day before
        valutes = [
            f'<Valute ID="{code}"><NumCode>{number}</NumCode><CharCode>{currency}</CharCode>'
            f"<Nominal>{nominal}</Nominal><Name>{escape(name)}</Name>{self._value(currency, day)}</Valute>"
            for currency, (code, number, nominal, name) in _VALUTES.items()
        ]
        return _xml(f'<ValCurs Date="{day:%d.%m.%Y}" name="Foreign Currency Market">{"".join(valutes)}</ValCurs>')

    def currency(self, request: Request) -> Response:
        query = request.query_params
        first, last, code = (
            _day_of(query.get("date_req1")),
            _day_of(query.get("date_req2")),
            query.get("VAL_NM_RQ"),
        )
        currency = next((currency for currency, valute in _VALUTES.items() if valute[0] == code), None)
        if first is None or last is None or currency is None:
            return _xml("<ValCurs>Error in parameters</ValCurs>")
        nominal = _VALUTES[currency][2]
        newest = min(last, self._newest_rate_day())
        records = [
            f'<Record Date="{day:%d.%m.%Y}" Id="{code}"><Nominal>{nominal}</Nominal>'
            f"{self._value(currency, day)}</Record>"
            for day in (first + timedelta(days=n) for n in range((newest - first).days + 1))
            if _has_rouble_rate(day)
        ]
        return _xml(
            f'<ValCurs ID="{code}" DateRange1="{first:%d.%m.%Y}" DateRange2="{last:%d.%m.%Y}" '
            f'name="Foreign Currency Market Dynamic">{"".join(records)}</ValCurs>'
        )

    def _newest_rate_day(self) -> date:
        today = self._clock.today(MOSCOW)
        is_set_for_tomorrow = self._clock.now().hour >= 13  # about 16:00 in Moscow
        return today + timedelta(days=1) if is_set_for_tomorrow else today

    def _value(self, currency: str, day: date) -> str:
        nominal = _VALUTES[currency][2]
        euro = 92.5 + 4 * math.sin(day.toordinal() / 29) + 1.5 * math.sin(day.toordinal() / 5)
        per_unit = euro / self._per_euro(currency, day)
        value, unit = f"{per_unit * nominal:.4f}", f"{per_unit:.7g}"
        return f"<Value>{value.replace('.', ',')}</Value><VunitRate>{unit.replace('.', ',')}</VunitRate>"

    def _per_euro(self, currency: str, day: date) -> float:
        """Units for 1 euro by the last ECB fixing before `day` (the first one, before there was any)."""
        if currency in ("EUR", "AMD"):
            return 1.0 if currency == "EUR" else _AMD_PER_EUR
        rates = self._company.fx_rates
        rates = rates.filter(pc.equal(rates["currency"], currency)).sort_by("date")
        before = rates.filter(pc.less(rates["date"], day))
        return (before["rate"][-1] if before.num_rows else rates["rate"][0]).as_py()


def _has_rouble_rate(day: date) -> bool:
    """A rate holds from the day after it was set: Tuesday to Saturday, not in the New Year holidays."""
    is_holiday = day.month == 1 and 2 <= day.day <= 9
    return day.weekday() in (1, 2, 3, 4, 5) and not is_holiday


def _day_of(text: str | None) -> date | None:
    if not re.fullmatch(r"\d{2}[/.]\d{2}[/.]\d{4}", text or ""):
        return None
    try:
        return datetime.strptime(str(text).replace(".", "/"), "%d/%m/%Y").date()
    except ValueError:
        return None


def _xml(text: str) -> Response:
    body = f'<?xml version="1.0" encoding="windows-1251"?>{text}'.encode("cp1251")
    return Response(body, media_type="application/xml; charset=windows-1251")


def variables(served: Served) -> dict[str, str]:
    return {"FX_ECB_URL": served.at, "FX_CBR_URL": served.at}


def app(company: Company, clock: Clock, faults: Faults) -> ASGIApp:
    banks = _Banks(company, clock, faults)
    return Starlette(
        routes=[
            Route("/service/data/{flow}/{key}", banks.series),
            Route("/scripts/XML_daily.asp", banks.day),
            Route("/scripts/XML_dynamic.asp", banks.currency),
        ]
    )
