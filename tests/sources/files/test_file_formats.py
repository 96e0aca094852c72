"""Cells of dropped files to values: numbers as people write them, dates, ids, personal data."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.sources.files import cells as file_cells
from dagster_project.sources.files.date_formats import check_date_format, month_number
from dagster_project.sources.files.formats import Formats, parse, why
from dagster_project.wire.identity import hash_email

MONEY, MOMENT, DAY = pa.decimal128(24, 6), pa.timestamp("us", tz="UTC"), pa.date32()
UNREADABLE = object()


def read(cells: list, kind: pa.DataType, as_type: pa.DataType | None = None, **formats: object) -> list:
    """The values of cells, UNREADABLE where they cannot be read."""
    values, failed = parse(pa.array(cells, as_type), kind, Formats(**formats))
    assert values.type == kind
    return [UNREADABLE if f else v for v, f in zip(values.to_pylist(), failed.to_pylist(), strict=True)]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


# ---- numbers


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", "1"),
        ("-2.5", "-2.5"),
        ("+3", "3"),
        ("12.", "12"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("7-", "-7"),
        ("−4", "-4"),
        ("(12.50)", "-12.5"),
        ("($1,234.50)", "-1234.5"),
        ("1,234.50", "1234.5"),
        ("1,00,000.5", "100000.5"),
        ("R$ 1.50", "1.5"),
        ("€5", "5"),
        ("5 EUR", "5"),
        ("US$ -9.99", "-9.99"),
        ("1 234.5", "1234.5"),
        ("1'234.50", "1234.5"),
        ("58.9000000001", "58.9"),
    ],
)
def test_money_without_any_setting(cell: str, value: str) -> None:
    assert read([cell], MONEY) == [Decimal(value).quantize(Decimal("0.000001"))]


@pytest.mark.parametrize(
    "cell",
    ["1,5", "1,234", "1.234,50", "R$ 100.000", "1 2", "12 500 50", "abc", "-5-", "12 %", "1,23,4.5", "1e300"],
)
def test_money_that_can_be_read_in_two_ways_or_in_none_is_not_guessed(cell: str) -> None:
    assert read([cell], MONEY) == [UNREADABLE]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("R$ 100.000", "100000"),
        ("1 234,50 ₽", "1234.5"),
        ("1\u202f234,50 €", "1234.5"),
        ("1\u00a0234,50 руб.", "1234.5"),
        ("(12,50)", "-12.5"),
        ("1.234.567,89", "1234567.89"),
        ("58,9", "58.9"),
        ("100,000", "100"),
        ("100", "100"),
    ],
)
def test_money_with_a_decimal_comma(cell: str, value: str) -> None:
    expected = [Decimal(value).quantize(Decimal("0.000001"))]
    assert read([cell], MONEY, decimal=",", thousands=".") == expected
    assert read([cell], MONEY, decimal=",") == expected


def test_a_point_that_cannot_part_thousands_is_refused_where_the_comma_is_the_decimal() -> None:
    assert read(["12.50", "1.2345"], MONEY, decimal=",") == [UNREADABLE, UNREADABLE]


def test_setting_the_decimal_point_settles_what_was_open() -> None:
    assert read(["1,234", "R$ 100.000", "1.234,5"], MONEY, decimal=".") == [1234, 100, UNREADABLE]


@given(
    st.decimals(min_value=-(10**12), max_value=10**12, places=2),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (".", " ")]),
    st.sampled_from(["", "€ ", "R$", " ₽", " EUR"]),
)
def test_amounts_as_a_locale_writes_them_come_back(amount: Decimal, marks: tuple[str, str], sign: str) -> None:
    decimal, thousands = marks
    written = f"{amount:,.2f}".translate(str.maketrans({",": thousands, ".": decimal}))
    written = written + sign if sign.startswith(" ") else sign + written
    assert read([written], MONEY, decimal=decimal, thousands=thousands) == [amount]


def test_words_for_nothing_are_null_in_typed_cells_and_stay_in_texts() -> None:
    words = ["", " ", "NaN", "N/A", "null", "None", "undefined", "-", "\\N", None]
    assert read(words, MONEY) == [None] * len(words)
    assert read(words, MOMENT) == [None] * len(words)
    assert read(["undefined", " null ", "", "  "], pa.string()) == ["undefined", "null", None, None]


def test_whole_numbers() -> None:
    cells = ["1", "3.0", "+4", "1.5", "2,000.0", "99999999999999999999"]
    assert read(cells, pa.int64()) == [1, 3, 4, UNREADABLE, 2000, UNREADABLE]


def test_shares_may_have_a_percent_sign() -> None:
    assert read(["31 %", "0.31", "12,5%"], pa.float64(), decimal=",") == [0.31, UNREADABLE, 0.125]
    assert read(["31 %", "0.31"], pa.float64()) == [0.31, 0.31]


def test_typed_columns_of_parquet() -> None:
    assert read([0.1 + 0.2, float("nan"), None], MONEY, pa.float64()) == [Decimal("0.3"), None, None]
    assert read([5], MONEY, pa.int64()) == [5]
    assert read([2**63], MONEY, pa.uint64()) == [UNREADABLE]  # more digits than the warehouse keeps
    assert read([Decimal("1.123456789")], MONEY, pa.decimal128(18, 9)) == [Decimal("1.123457")]
    assert read([5.0, 5.5], pa.int64(), pa.float64()) == [5, UNREADABLE]


def test_flags() -> None:
    cells = ["yes", "FALSE", "0", "1", "T", "maybe", None, "null"]
    assert read(cells, pa.bool_()) == [True, False, False, True, True, UNREADABLE, None, None]


# ---- days and moments


def test_iso_moments_with_and_without_an_offset() -> None:
    cells = [
        "2018-02-01", "2018-02-01 19:58", "2018-02-01T19:58:54.123456789Z", "2018-02-01 19:58:54+03",
        "2018-02-01T19:58:54,5+0330", "2018-02-01 10:00:00 UTC", "20180201",
    ]  # fmt: skip
    assert read(cells, MOMENT, time_zone="America/Sao_Paulo") == [
        utc(2018, 2, 1, 2),
        utc(2018, 2, 1, 21, 58),
        utc(2018, 2, 1, 19, 58, 54, 123456),
        utc(2018, 2, 1, 16, 58, 54),
        utc(2018, 2, 1, 16, 28, 54, 500000),
        utc(2018, 2, 1, 10),
        utc(2018, 2, 1, 2),
    ]


def test_epochs_are_told_by_their_length() -> None:
    expected = datetime.fromtimestamp(1517515134, UTC)
    assert read(["1517515134", "1517515134000", "1517515134000000"], MOMENT) == [expected] * 3


@pytest.mark.parametrize("cell", ["2018-02-30", "2018-13-01", "2018-02-01 25:00", "01.02.2018", "2/1/2018", "tomorrow"])
def test_what_is_no_iso_date_is_not_guessed(cell: str) -> None:
    assert read([cell], MOMENT) == [UNREADABLE]
    assert read([cell], DAY) == [UNREADABLE]


def test_times_that_the_clock_change_skips_or_repeats() -> None:
    # Sao Paulo, 15 October 2017: 00:00 does not exist. 17 February 2018: 23:00 to 24:00 comes twice.
    skipped, repeated = read(["2017-10-15", "2018-02-17 23:30"], MOMENT, time_zone="America/Sao_Paulo")
    zone = ZoneInfo("America/Sao_Paulo")
    assert skipped.astimezone(zone).replace(tzinfo=None) == datetime(2017, 10, 15, 1)
    assert repeated == datetime(2018, 2, 17, 23, 30, tzinfo=zone, fold=0).astimezone(UTC)


def test_formats_are_tried_in_turn_and_iso_is_then_no_longer_guessed() -> None:
    cells = ["1.2.2018 5:03", "01.02.2018", "31.02.2018", "2018-02-01", "1.2.18"]
    formats = ("%d.%m.%Y %H:%M", "%d.%m.%Y")
    expected = [utc(2018, 2, 1, 5, 3), utc(2018, 2, 1), UNREADABLE, UNREADABLE, UNREADABLE]
    assert read(cells, MOMENT, date_formats=formats) == expected


def test_month_names_and_the_twelve_hour_clock() -> None:
    cells = [
        "Feb 1, 2018 3:05 PM",
        "December 31, 2018 12:05 am",
        "May 3, 2018 13:00 PM",
        "Foo 1, 2018 1:00 AM",
    ]
    expected = [utc(2018, 2, 1, 15, 5), utc(2018, 12, 31, 0, 5), UNREADABLE, UNREADABLE]
    assert read(cells, MOMENT, date_formats=("%b %d, %Y %I:%M %p",)) == expected


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2068, 12, 30)),
    st.sampled_from(
        [
            "%d.%m.%Y %H:%M:%S",
            "%m/%d/%y %I:%M:%S %p",
            "%Y-%d-%m %H:%M:%S.%f",
            "%d %B %Y %H:%M:%S",
            "%y%m%d%H%M%S",
        ]
    ),
)
def test_formats_mean_what_python_means_by_them(moment: datetime, date_format: str) -> None:
    written = moment.strftime(date_format)
    expected = datetime.strptime(written, date_format).replace(tzinfo=UTC)
    assert read([written], MOMENT, date_formats=(date_format,)) == [expected]


def test_the_day_of_a_moment_is_that_of_the_zone_if_it_has_an_offset_else_the_one_written() -> None:
    cells = ["2018-02-01T01:58:54Z", "2018-02-01 01:58:54", "2018-02-01"]
    assert read(cells, DAY, time_zone="America/Sao_Paulo") == [
        date(2018, 1, 31),
        date(2018, 2, 1),
        date(2018, 2, 1),
    ]
    typed = pa.timestamp("ns", tz="UTC")
    assert read([datetime(2018, 2, 1, 1)], DAY, typed, time_zone="America/Sao_Paulo") == [date(2018, 1, 31)]


def test_typed_moments() -> None:
    naive = read([datetime(2018, 2, 1, 12)], MOMENT, pa.timestamp("ns"), time_zone="America/Sao_Paulo")
    aware = read([datetime(2018, 2, 1, 12)], MOMENT, pa.timestamp("ns", tz="UTC"), time_zone="America/Sao_Paulo")
    assert (naive, aware) == ([utc(2018, 2, 1, 14)], [utc(2018, 2, 1, 12)])
    assert read([date(2018, 2, 1)], MOMENT, pa.date32(), time_zone="Asia/Tehran") == [utc(2018, 1, 31, 20, 30)]


@pytest.mark.parametrize("date_format", ["%d.%m", "%H:%M", "%d.%m.%Y %j", "%d.%d.%Y", "%d.%m.%Y %I:%M", "plain"])
def test_formats_that_give_no_whole_date_are_refused(date_format: str) -> None:
    with pytest.raises(ValueError):
        check_date_format(date_format)


# ---- dates as programs and people write them


@pytest.mark.parametrize(
    ("cell", "setting", "expected"),
    [
        ("Tue Sep 01 2026 10:00:00 GMT+0200 (Central European Summer Time)", "javascript", utc(2026, 9, 1, 8)),
        ("Tue Sep 01 2026 10:00:00 GMT+0000", "javascript", utc(2026, 9, 1, 10)),
        ("Tue Sep 01 2026", "javascript", utc(2026, 9, 1)),
        ("Tue, 01 Sep 2026 10:00:00 +0000", "rfc2822", utc(2026, 9, 1, 10)),
        ("1 Sep 2026 10:00 -0730", "rfc2822", utc(2026, 9, 1, 17, 30)),
        ("Tue, 1 Sep 2026 10:00:00 GMT", "rfc2822", utc(2026, 9, 1, 10)),
        ("Tue, 1 Sep 2026 10:00:00 PDT (Pacific)", "rfc2822", utc(2026, 9, 1, 17)),
        ("2026-09-01 10:00:00 PDT", "%Y-%m-%d %H:%M:%S %Z", utc(2026, 9, 1, 17)),
        ("2026-09-01T10:00:00Z[UTC]", (), utc(2026, 9, 1, 10)),
        ("2026-09-01T10:00:00+02:00[Europe/Berlin]", (), utc(2026, 9, 1, 8)),
        ("2026-09-01T10:00:00.000+0000", (), utc(2026, 9, 1, 10)),
        ("1756720800.25", (), datetime(2025, 9, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("1756720800.123456789", "epoch", datetime(2025, 9, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("1756720800123", "epoch", datetime(2025, 9, 1, 10, 0, 0, 123_000, tzinfo=UTC)),
        ("45581", "excel", utc(2024, 10, 16)),
        ("45581.5", "excel", utc(2024, 10, 16, 12)),
        ("45581,25", "excel", utc(2024, 10, 16, 6)),
        ("45581.604166666664", "excel", utc(2024, 10, 16, 14, 30)),
        ("45581.999999999996", "excel", utc(2024, 10, 17)),
        ("61", "excel", utc(1900, 3, 1)),
        ("2024-10-16", ("excel", "iso"), utc(2024, 10, 16)),
        ("45581", ("excel", "iso"), utc(2024, 10, 16)),
        ("9/14/2026, 3:05\u202fPM", "%m/%d/%Y, %I:%M %p", utc(2026, 9, 14, 15, 5)),
        ("9/14/2026,\u00a03:05\u2009\u2009p.\u202fm.", "%m/%d/%Y, %I:%M %p", utc(2026, 9, 14, 15, 5)),
        ("2026-09-14\u00a015:05:00", (), utc(2026, 9, 14, 15, 5)),
        ("Monday, 14 September 2026", "%A, %d %B %Y", utc(2026, 9, 14)),
    ],
)
def test_dates_of_programs_are_read_by_their_setting(
    cell: str, setting: str | tuple[str, ...], expected: datetime
) -> None:
    formats = (setting,) if isinstance(setting, str) else setting
    assert read([cell], MOMENT, date_formats=formats) == [expected]
    assert read([cell], DAY, date_formats=formats) == [expected.date()]
    for each in formats:
        check_date_format(each)


@pytest.mark.parametrize(
    ("cell", "setting", "named"),
    [
        ("45581", (), "date_format: excel"),
        ("45581.5", (), "date_format: excel"),
        ("45581", ("%d.%m.%Y",), "date_format: excel"),
        ("Tue Sep 01 2026 10:00:00 GMT+0200 (Central European Summer Time)", (), "date_format: javascript"),
        ("Tue, 01 Sep 2026 10:00:00 +0000", (), "date_format: rfc2822"),
        ("2026-09-01 10:00:00 PDT", (), "%Z"),
        ("14 сент. 2026", ("%d %b %Y",), "language"),
        ("60", ("excel",), ""),  # the 29 February 1900 that Excel believes in
        ("0.5", ("excel",), ""),
        ("2958466", ("excel",), ""),
        ("2024-10-16", ("excel",), ""),
        ("Tue, 31 Feb 2026 10:00:00 +0000", ("rfc2822",), ""),
        ("Di, 01 Okt 2026 10:00:00 +0000", ("rfc2822",), ""),
        ("2026-09-01 10:00:00 IST", ("%Y-%m-%d %H:%M:%S %Z",), ""),
    ],
)
def test_other_dates_are_bad_and_the_message_names_the_setting(cell: str, setting: tuple[str, ...], named: str) -> None:
    assert read([cell], MOMENT, date_formats=setting) == [UNREADABLE]
    assert named in why(cell, MOMENT, Formats(date_formats=setting))


@pytest.mark.parametrize(
    ("language", "cells"),
    [
        ("ru", ["14 сент. 2026", "14 сентября 2026", "14 Сентябрь 2026", "14 сен 2026"]),
        ("de", ["14. September 2026", "14. Sept. 2026", "14 Sep 2026"]),
        ("fr", ["14 septembre 2026", "14 sept. 2026"]),
        ("pl", ["14 września 2026", "14 wrz 2026", "14 wrzesień 2026"]),
        ("tr", ["14 Eylül 2026", "14 Eyl 2026"]),
        ("uk", ["14 вересня 2026", "14 вер. 2026"]),
        ("en", ["14-Sep-2026", "14 Sept 2026", "14 SEPTEMBER 2026"]),
    ],
)
def test_months_are_read_in_the_language_of_the_mapping(language: str, cells: list[str]) -> None:
    formats = ("%d %b %Y", "%d. %B %Y", "%d-%b-%Y")
    assert read(cells, DAY, date_formats=formats, languages=(language,)) == [date(2026, 9, 14)] * len(cells)


def test_every_month_of_a_language_has_its_number() -> None:
    written = {
        "de": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
        "fr": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "es": "ene feb mar abr may jun jul ago sep oct nov dic",
        "pt": "jan fev mar abr mai jun jul ago set out nov dez",
        "it": "gen feb mar apr mag giu lug ago set ott nov dic",
        "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
    }
    for language, months in written.items():
        cells = [f"1 {month} 2026" for month in months.split()]
        expected = [date(2026, number, 1) for number in range(1, 13)]
        assert read(cells, DAY, date_formats=("%d %b %Y",), languages=(language,)) == expected, language
    for word, languages in (("jui", ("fr",)), ("листопада", ("ru",)), ("ja", ("de",))):
        assert month_number(word, languages) is None
    assert (month_number("Mrz", ("de",)), month_number("fevr", ("fr",)), month_number("März", ("fr", "de"))) == (
        3,
        2,
        3,
    )


# ---- ids, personal data, messages


def test_ids_keep_every_digit() -> None:
    biggest = 2**64 - 1
    assert file_cells.ids(pa.array([biggest], pa.uint64()))[0].to_pylist() == [str(biggest)]
    assert file_cells.ids(pa.array(["00012", " a ", "18446744073709551615"]))[0].to_pylist() == [
        "00012", "a", "18446744073709551615",
    ]  # fmt: skip
    assert file_cells.ids(pa.array([17850.0, None]))[0].to_pylist() == ["17850", None]


def test_words_for_nothing_are_no_id() -> None:
    assert file_cells.ids(pa.array(["null", "undefined", "NaN", "N/A"]))[0].null_count == 4


def test_ids_that_lost_their_digits_are_found() -> None:
    values, lost = file_cells.ids(pa.array(["1.23457E+18", "1,2e+17", "1E5", "12e"]))
    assert lost.to_pylist() == [True, True, False, False]
    assert values.to_pylist() == [None, None, "1E5", "12e"]
    assert file_cells.ids(pa.array([2.0**60, 12.0]))[1].to_pylist() == [True, False]


def test_addresses_become_hashes_or_vanish() -> None:
    key = b"k" * 32
    text = pa.array([" Joe@Example.com", "ask joe@example.com or ann%40example.com", "no address @ all", None])
    cleaned = file_cells.without_addresses(file_cells.text_of(text), key).to_pylist()
    assert cleaned == [
        hash_email("joe@example.com", key),
        "ask (redacted) or (redacted)",
        "no address @ all",
        None,
    ]


def test_translation() -> None:
    text = pa.array(["a", "b", "c", None])
    assert file_cells.translate(text, {"a": "A", "b": None, "": "nothing"}).to_pylist() == [
        "A",
        None,
        "c",
        "nothing",
    ]
    assert file_cells.translate(text, {"a": "A"}).to_pylist() == ["A", "b", "c", None]


@pytest.mark.parametrize("cell", ["joe@example.com", "joe%40example.com", "+49 170 1234567", "(0170) 123-45-67"])
def test_messages_do_not_repeat_personal_data(cell: str) -> None:
    for kind in (MOMENT, MONEY, pa.bool_(), pa.int64()):
        assert cell not in why(cell, kind, Formats())


def test_messages_say_what_to_set() -> None:
    assert "date_format" in why("01.02.2018", MOMENT, Formats())
    assert "'%d.%m.%Y'" in why("2018-02-01", DAY, Formats(date_formats=("%d.%m.%Y",)))
    assert "decimal" in why("1,5", MONEY, Formats())
    assert "not a whole number" in why("1.5", pa.int64(), Formats())
    assert "values" in why("maybe", pa.bool_(), Formats())
