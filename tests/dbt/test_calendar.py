"""dim_date against Python's calendar and published dates."""

from __future__ import annotations

from datetime import date, timedelta

from tests.support.house import House

CALENDAR = ("int_calendar", "int_solar_hijri_years", "dim_date")

# 1 Farvardin as published by the Iranian calendar authority and press agencies
NOWRUZ = {
    1379: date(2000, 3, 20), 1380: date(2001, 3, 21), 1384: date(2005, 3, 21), 1388: date(2009, 3, 21),
    1392: date(2013, 3, 21), 1395: date(2016, 3, 20), 1396: date(2017, 3, 21), 1399: date(2020, 3, 20),
    1400: date(2021, 3, 21), 1402: date(2023, 3, 21), 1403: date(2024, 3, 20), 1404: date(2025, 3, 21),
    1405: date(2026, 3, 21),
}  # fmt: skip


def test_iso_weeks_are_pythons(house: House) -> None:
    house.build(*CALENDAR)
    rows = house.rows("select date_day, iso_year, iso_week, day_of_week, week_start from marts.dim_date")
    assert len(rows) == (date(2060, 1, 1) - date(2000, 1, 1)).days
    for day, *iso, week_start in rows:
        assert tuple(iso) == tuple(day.isocalendar())
        assert week_start == day - timedelta(days=day.weekday())


def test_solar_hijri_years_begin_on_the_published_days(house: House) -> None:
    house.build(*CALENDAR)
    query = "select solar_hijri_year, date_day from marts.dim_date where solar_hijri_month = 1 and solar_hijri_day = 1"
    assert NOWRUZ.items() <= dict(house.rows(query)).items()
    # 30 Esfand exists in leap years only: 1403 is one, 1402 and 1404 are not
    leap = "select solar_hijri_year from marts.dim_date where solar_hijri_month = 12 and solar_hijri_day = 30"
    years = {year for (year,) in house.rows(leap)}
    assert years & {1402, 1403, 1404} == {1403}
    one_day = "select solar_hijri_year, solar_hijri_month, solar_hijri_day from marts.dim_date where date_day = '{}'"
    assert house.rows(one_day.format("2026-02-11")) == [(1404, 11, 22)]  # 22 Bahman
    assert house.rows(one_day.format("2000-01-01")) == [(1378, 10, 11)]
    months = house.rows(
        "select solar_hijri_month, count(*) from marts.dim_date where solar_hijri_year = 1404 group by 1 order by 1"
    )
    assert [days for _, days in months] == [31] * 6 + [30] * 5 + [29]


def test_weeks_and_fiscal_years_follow_the_settings(house: House) -> None:
    house.rules({"reporting": {"week_start": "saturday", "fiscal_year_start_month": 4}})
    house.build(*CALENDAR)
    query = "select week_start, fiscal_year, fiscal_quarter, fiscal_month from marts.dim_date where date_day = '{}'"
    assert house.rows(query.format("2026-03-20")) == [(date(2026, 3, 14), 2026, 4, 12)]  # a Friday
    assert house.rows(query.format("2026-03-21")) == [(date(2026, 3, 21), 2026, 4, 12)]
    assert house.rows(query.format("2026-04-01")) == [(date(2026, 3, 28), 2027, 1, 1)]
    starts = "select fiscal_quarter_start, fiscal_year_start from marts.dim_date where date_day = '{}'"
    assert house.rows(starts.format("2026-03-31")) == [(date(2026, 1, 1), date(2025, 4, 1))]
    assert house.rows(starts.format("2026-05-31")) == [(date(2026, 4, 1), date(2026, 4, 1))]
