"""What is right for each small input of shared/cases, read from its README: one table for all who read them.

`rows` hold the columns that matter; all rows of the stream are there. Texts stand for numbers, days and moments (UTC).
`change` is what a user adds to the entry of that stream, `rules` to the rest of funnelhouse.yml, where the right value needs a
setting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    case: str
    stream: str
    rows: tuple[Row, ...]
    change: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    bad_rows: int = 0
    says: str = ""  # in a note or in the reason of a bad row
    same_person: tuple[str, ...] = ()  # columns that are filled and the same in every row


def _costs(*costs: tuple[str, str, str]) -> tuple[Row, ...]:
    return tuple({"date": day, "campaign_id": campaign, "cost": cost} for day, campaign, cost in costs)


def _leads(*leads: tuple[str, str]) -> tuple[Row, ...]:
    return tuple({"lead_id": lead, "created_at": at} for lead, at in leads)


_OWN_CHANNELS = {"channels": {"own": ["Webinar", "Podcast"]}}
_DIRECT = _costs(("2026-09-01", "111", "125.5"), ("2026-09-02", "111", "0"), ("2026-09-02", "112", "90"))
_PROGRAMS = (
    ("4", "2026-09-01 10:00:00"),
    ("5", "2026-09-01 10:00:00.123456"),
    ("6", "2025-09-01 10:00:00.250000"),
    ("7", "2026-09-01 10:00:00"),
    ("8", "2026-09-01 08:00:00"),
)

EXPECTED = (
    Expected(
        "01_google_ads_ui_dashes",
        "ad_cost",
        (
            {"date": "2026-09-01", "campaign_id": "111", "cost": "1234.5", "impressions": "12345", "conversions": "4"},
            {"date": "2026-09-01", "campaign_id": "222", "cost": "20", "impressions": "300", "conversions": None},
            {"date": "2026-09-02", "campaign_id": "111", "cost": "10", "impressions": None, "conversions": None},
        ),
        says="2 rows of totals were left out",
    ),
    Expected(
        "02_shopify_line_items",
        "orders",
        (
            {"order_id": "#1001", "amount": "59.5", "currency_code": "EUR", "ordered_at": "2026-09-01 08:00:00"},
            {"order_id": "#1002", "amount": "11.9", "currency_code": "EUR", "ordered_at": "2026-09-02 08:00:00"},
        ),
    ),
    Expected(
        "03_narrow_nbsp",
        "leads",
        _leads(("1", "2026-09-14 15:05:00"), ("2", "2026-09-14 15:06:00"), ("3", "2026-09-15 08:00:00")),
    ),
    Expected("03_narrow_nbsp", "orders", ({"order_id": "1", "amount": "1234.5"},)),
    Expected("04_pandas_float_ids", "leads", ({"lead_id": "101"}, {"lead_id": "102"})),
    Expected(
        "04_pandas_float_ids",
        "deals",
        (
            {"deal_id": "9001", "lead_id": "101", "customer_id": "55"},
            {"deal_id": "9002", "lead_id": None, "customer_id": "56"},
            {"deal_id": "9003", "lead_id": "102", "customer_id": None},
        ),
    ),
    Expected("04_pandas_float_ids", "orders", ({"order_id": "1", "customer_id": "55", "amount": "100"},)),
    Expected(
        "06_campaign_renamed",
        "ad_cost",
        _costs(("2026-09-01", "111", "10"), ("2026-09-02", "111", "12.5"), ("2026-09-03", "111", "9")),
    ),
    Expected(
        "07_excel_serial", "leads", _leads(("3", "2024-10-16 00:00:00")), bad_rows=2, says="set date_format: excel"
    ),
    Expected(
        "07_excel_serial",
        "leads",
        _leads(("1", "2024-10-16 00:00:00"), ("2", "2024-10-16 12:00:00"), ("3", "2024-10-16 00:00:00")),
        change={"date_format": ["excel", "iso"]},
    ),
    Expected(
        "08_preamble_varies",
        "ad_cost",
        _costs(("2026-09-01", "77", "12.5"), ("2026-09-02", "77", "14")),
        says="2 rows of totals were left out",
    ),
    Expected(
        "08_preamble_varies",
        "ad_cost",
        _costs(("2026-09-01", "77", "12.5"), ("2026-09-02", "77", "14")),
        change={"skip_lines": 0},
    ),
    Expected(
        "09_meta_summary_row", "ad_cost", _costs(("2026-09-01", "c:120001", "30"), ("2026-09-01", "c:120002", "12.5"))
    ),
    Expected("11_bom_and_encoding", "leads", _leads(("1", "2026-09-01 14:05:00"))),
    Expected("12_hubspot_export_multi", "leads", ({"lead_id": "501"}, {"lead_id": "502"})),
    Expected(
        "12_hubspot_export_multi",
        "deals",
        (
            {"deal_id": "9001", "lead_id": "501", "lead_ids": ["501", "502"], "amount": "1200"},
            {"deal_id": "9002", "lead_id": "502", "lead_ids": None, "amount": "800"},
        ),
    ),
    Expected(
        "13_month_names",
        "leads",
        _leads(("4", "2026-09-14 00:00:00"), ("5", "2026-09-14 00:00:00")),
        bad_rows=3,
        says="language",
    ),
    Expected(
        "13_month_names",
        "leads",
        _leads(
            *(
                (str(lead), f"2026-{month}-14 00:00:00")
                for lead, month in enumerate(("09", "03", "08", "09", "09"), start=1)
            )
        ),
        change={"language": ["ru", "de", "fr", "en"]},
    ),
    Expected("14b_zip_two", "leads", _leads(("1", "2026-09-01 00:00:00"), ("2", "2026-09-01 00:00:00"))),
    Expected("15_parquet_clickhouse", "ad_cost", _costs(("2026-09-01", "11", "10.5"), ("2026-09-02", "12", "2.25"))),
    Expected(
        "16_bq_parquet_list_element",
        "ga4_export",
        ({"event_date": "2026-09-01", "event_name": "session_start", "user_pseudo_id": "1.2", "ga_session_id": "77"},),
    ),
    Expected("17_yandex_direct_report", "ad_cost", _DIRECT, change={"unit": {"cost": 1e-6}}),
    Expected(
        "17_yandex_direct_report",
        "ad_cost",
        _DIRECT,
        change={"unit": {"cost": "micros"}},
        says="1 rows of totals were left out",
    ),
    Expected(
        "22_backslash_quotes",
        "ad_cost",
        (
            {"campaign_name": 'Sale "Autumn" EU', "cost": "5"},
            {"campaign_name": 'Sale "Autumn", UK', "cost": "7"},
            {"campaign_name": "Plain", "cost": "9"},
        ),
        change={"escapes": "backslash"},
    ),
    Expected(
        "22_backslash_quotes",
        "ad_cost",
        ({"campaign_name": "Plain", "cost": "9"},),
        bad_rows=2,
        says="escapes: backslash",
    ),
    Expected("23_dates_as_programs_write", "leads", _leads(*_PROGRAMS), bad_rows=3, says="set date_format: rfc2822"),
    Expected(
        "23_dates_as_programs_write",
        "leads",
        _leads(("1", "2026-09-01 08:00:00"), ("2", "2026-09-01 10:00:00"), ("3", "2026-09-01 17:00:00"), *_PROGRAMS),
        change={"date_format": ["iso", "epoch", "rfc2822", "javascript", "%Y-%m-%d %H:%M:%S %Z"]},
    ),
    Expected(
        "24_dup_headers",
        "leads",
        _leads(("1", "2026-09-01 00:00:00")),
        change={"columns": {"lead_id": "Record ID", "created_at": 3, "email": "Email"}},
    ),
    Expected(
        "25_failed_payments",
        "orders",
        ({"order_id": "ch_1", "amount": "100"}, {"order_id": "ch_3", "amount": "100"}),
        change={"where": {"Status": ["paid"]}},
    ),
    Expected(
        "25_failed_payments",
        "orders",
        ({"order_id": "ch_1", "amount": "100"}, {"order_id": "ch_3", "amount": "100"}),
        change={"where_not": {"Status": ["Failed", "Refunded"]}},
    ),
    Expected(
        "26_several_in_a_cell",
        "leads",
        tuple({"lead_id": str(lead)} for lead in range(1, 7)),
        same_person=("email_hash", "phone_hash"),
    ),
    Expected(
        "28_range_rows",
        "ad_cost",
        tuple({"date": f"2026-09-{day:02d}", "cost": "100"} for day in range(1, 31)),
        change={
            "columns": {
                "date": "Reporting starts",
                "end_date": "Reporting ends",
                "campaign_name": "Campaign name",
                "cost": "Amount spent (EUR)",
            }
        },
    ),
    Expected(
        "29_lone_surrogate", "leads", ({"lead_id": "1", "source": "Promo \ufffd"}, {"lead_id": "2", "source": "ok"})
    ),
    Expected(
        "30_parquet_not_utf8", "leads", ({"lead_id": "1", "source": "\ufffd" * 6}, {"lead_id": "2", "source": "ok"})
    ),
    Expected(
        "30_parquet_not_utf8",
        "leads",
        ({"lead_id": "1", "source": "Яндекс"}, {"lead_id": "2", "source": "ok"}),
        change={"encoding": "cp1251"},
    ),
    Expected("32_spaces_in_header", "leads", ({"lead_id": "1", "created_at": "2026-09-01 00:00:00", "source": "x"},)),
    Expected(
        "incomplete_rows",
        "orders",
        (
            {"order_id": "1001", "amount": "100"},
            {"order_id": "1002", "amount": "50"},
            {"order_id": "1003", "amount": "70"},
            {"order_id": "1004", "amount": "70"},
        ),
        rules=_OWN_CHANNELS,
    ),
    Expected(
        "incomplete_rows",
        "leads",
        (
            {"lead_id": "1", "channel": "Webinar"},
            {"lead_id": "2", "channel": "Offline"},
            {"lead_id": "3", "channel": "Affiliates"},
            {"lead_id": "4", "channel": "Podcast"},
        ),
        rules=_OWN_CHANNELS,
    ),
    Expected(
        "incomplete_rows",
        "deals",
        ({"deal_id": "d1", "closed_at": "2026-03-01 00:00:00"}, {"deal_id": "d2", "closed_at": None}),
        rules=_OWN_CHANNELS,
    ),
    Expected(
        "models_02_orders",
        "orders",
        (
            {"order_id": "#1001", "amount": "120", "refund_of": None},
            {"order_id": "#1002", "amount": "50", "refund_of": None},
            {"order_id": "500", "amount": "50", "refund_of": None},
            {"order_id": "501", "amount": "-15", "refund_of": "500"},
            {"order_id": "502", "amount": "-35", "refund_of": "500"},
            {"order_id": "510", "amount": "26400", "refund_of": None},
            {"order_id": "520", "amount": "100", "refund_of": None},
            {"order_id": "521", "amount": "-100", "refund_of": "520"},
            {"order_id": "530", "amount": "0", "refund_of": None},
            {"order_id": "540", "amount": None, "refund_of": None},
            {"order_id": "9001", "amount": "100", "refund_of": None},
            {"order_id": "9001:refund:2026-03-12T08:00:00", "amount": "-100", "refund_of": "9001"},
            {"order_id": "9002", "amount": "20", "refund_of": None},
        ),
        says="order_id '9002' in sameid.csv has 80 (line 4) and then 20",
    ),
    Expected(
        "models_10_costs",
        "other_costs",
        (
            {"cost_type": "agency", "amount": "3100"},
            {"cost_type": "technology", "amount": "620"},
            {"cost_type": "overhead", "amount": "62"},
        ),
    ),
)

# cases whose right value is a channel: nothing of it is decided where files are read
OF_CHANNELS = ("models_01_web", "models_17_schemeless", "models_20_more")

# a row of the table that is printed after the tests, for each case
WHAT_HAPPENS = {
    "01_google_ads_ui_dashes": ("`--` in a number; rows of totals", "nothing; left out, and said with their count"),
    "02_shopify_line_items": ("an order over several lines", "one order with the total of its first line"),
    "03_narrow_nbsp": ("U+202F and other spaces in dates and amounts", "spaces"),
    "04_pandas_float_ids": ("ids 101 and 101.0", "one id"),
    "06_campaign_renamed": ("a campaign under a new name in a later file", "the same campaign: its days are replaced, not added"),
    "07_excel_serial": ("serial days of Excel", "read with date_format: excel, else bad rows that name the setting"),
    "08_preamble_varies": ("title lines, one more each day", "the header is found by the names of the mapping"),
    "09_meta_summary_row": ("a row that sums up the others", "left out, and said"),
    "11_bom_and_encoding": ("a byte order mark before quotes", "read, with encoding: utf-8 set too"),
    "12_hubspot_export_multi": ("contacts `501;502` of a deal", "501 first, 502 as well"),
    "13_month_names": ("months in Russian, German, French", "read with language, else bad rows that name the setting"),
    "14b_zip_two": ("a zip of two files", "both are read, each under its own name"),
    "15_parquet_clickhouse": ("days as UInt16, texts as bytes", "days and texts"),
    "16_bq_parquet_list_element": ("event parameters as list.element", "found"),
    "17_yandex_direct_report": ("cost in micros", "read with unit: {cost: micros}; decimals under it are refused"),
    "22_backslash_quotes": ("quotes behind backslashes", "read with escapes: backslash, else bad rows that name the setting"),
    "23_dates_as_programs_write": (
        "dates of mail and JavaScript, PDT, epochs with a fraction", "read by their setting, else bad rows that name it",
    ),
    "24_dup_headers": ("two columns of one name", "refused with their positions; a position is read"),
    "25_failed_payments": ("failed payments among the paid ones", "where: {Status: [paid]} keeps the paid ones"),
    "26_several_in_a_cell": ("several addresses, phones and extensions in a cell", "the first is the person's; nothing is glued"),
    "28_range_rows": ("a row of ad cost that spans a month", "spread over its days where end_date is mapped"),
    "29_lone_surrogate": ("half an emoji in JSON", "U+FFFD; the row stays"),
    "30_parquet_not_utf8": ("Parquet that is not UTF-8", "U+FFFD, or the text by encoding: cp1251; an id is a bad row"),
    "32_spaces_in_header": ("no-break spaces and combined letters in a header", "found"),
    "incomplete_rows": ("an order line without an amount; channels of one's own", "the order keeps its 100; declared channels are kept"),
    "models_02_orders": ("a refund and a second amount under an order's id", "a refund row; the last amount stands, and both are said"),
    "models_10_costs": ("ledger lines delivered again", "replaced, not added"),
}  # fmt: skip
