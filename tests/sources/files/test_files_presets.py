"""Presets, each over a file with the columns of the vendor's own export (values invented)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from dagster_project.sources.files.mappings import FileMapping
from dagster_project.sources.files.presets import presets
from dagster_project.wire import DriftError
from dagster_project.wire.identity import hash_email, hash_phone
from tests.sources.files.test_files_sheets import save
from tests.support.dropped_files import swept

KEY = b"a key that is long enough"
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "files.md").read_text(encoding="utf-8")


def read(
    folder: Path, preset: str, content: str, file: str = "export.csv", written_in: str = "utf-8", **more: Any
) -> tuple[list[dict[str, Any]], Any]:
    """The rows of one file, in the order of its lines, and what the sweep told."""
    (folder / file).write_text(content, encoding=written_in)
    table, tally = swept(folder, {"preset": preset, "path": file, **more}, stream=presets()[preset]["stream"])
    return table.sort_by("_line").to_pylist(), tally


def of(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_shopify_orders(tmp_path: Path) -> None:
    header = (
        "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,Taxes,Total,"
        "Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,Lineitem price,Billing Phone,"
        "Refunded Amount,Vendor,Id,Phone"
    )
    rows = [
        "#1001,a.person@x.example.org,paid,2026-09-01 10:00:00 +0200,fulfilled,,no,EUR,50.00,9.50,0,59.50,,0.00,Post,"
        "2026-09-01 10:00:00 +0200,1,Mug,20.00,,0.00,Acme,5001,+49 170 1234567",
        "#1001,a.person@x.example.org,,,,,,,,,,,,,,2026-09-01 10:00:00 +0200,2,Cap,15.00,,,Acme,,",
        "#1002,b.person@x.example.org,partially_refunded,2026-09-02,,,no,EUR,30.00,0,0,30.00,,0.00,Post,"
        "2026-09-02 10:00:00 +0200,1,Pin,30.00,,12.00,Acme,5002,",
        "#1003,c.person@x.example.org,voided,,,,no,EUR,10.00,0,0,10.00,,0.00,Post,2026-09-02 10:00:00 +0200,1,Pin,10.00,,0.00,Acme,5003,",
    ]
    found, tally = read(tmp_path, "shopify_orders", "\n".join([header, *rows]))
    assert of(found, "order_id", "amount", "currency_code", "ordered_at") == [
        ("#1001", Decimal("59.50"), "EUR", utc(2026, 9, 1, 8)),
        ("#1002", Decimal("18.00"), "EUR", utc(2026, 9, 2, 8)),
    ]
    assert found[0]["email_hash"] == hash_email("a.person@x.example.org", KEY)
    assert found[0]["phone_hash"] == hash_phone("+491701234567", KEY)
    assert found[0]["account_id"] == "shopify_orders"
    assert tally.bad_row_count == 0


@pytest.mark.parametrize(
    ("header", "sold", "failed", "more"),
    [
        (
            "Order Number,Order Status,Order Date,First Name (Billing),Email (Billing),Phone (Billing),Order Total Amount,Order Refund Amount,Currency",
            "501,Completed,2026-01-15 12:00:00,Ann,ann@x.example.org,,108.00,8.00,USD",
            "502,Failed,2026-01-15 12:00:00,Ann,ann@x.example.org,,50.00,0.00,USD",
            {},
        ),
        (
            "order_id,order_number,order_date,status,shipping_total,order_total,order_currency,customer_id,billing_email,billing_phone",
            "9501,501,2026-01-15 12:00:00,completed,0,100.00,USD,7,ann@x.example.org,",
            "9502,502,2026-01-15 12:00:00,pending,0,50.00,USD,7,ann@x.example.org,",
            {},
        ),
        (
            '"Date","Order #","N. Revenue (formatted)","N. Revenue","Status","Customer","Customer type","Product(s)","Items sold"',
            '"2026-01-15 12:00:00",501,"$100.00",100,completed,"Ann Example",new,"1x Mug",1',
            '"2026-01-15 12:00:00",502,"$50.00",50,cancelled,"Ann Example",new,"1x Mug",1',
            {"constants": {"currency_code": "USD"}},
        ),
    ],
)
def test_woocommerce_orders(tmp_path: Path, header: str, sold: str, failed: str, more: dict[str, Any]) -> None:
    found, _ = read(tmp_path, "woocommerce_orders", "\n".join([header, sold, failed]), **more)
    assert of(found, "order_id", "amount", "currency_code", "ordered_at") == [("501", 100, "USD", utc(2026, 1, 15, 12))]


def test_an_export_without_a_currency_is_refused_until_it_is_said(tmp_path: Path) -> None:
    content = "Date,Order #,N. Revenue,Status\n2026-01-15 12:00:00,501,100,completed\n"
    with pytest.raises(DriftError, match=r"woocommerce_orders: .*amount has no currency; give currency_code"):
        read(tmp_path, "woocommerce_orders", content)


def test_stripe_payments(tmp_path: Path) -> None:
    header = "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Converted Amount,Description,Fee,Status,Customer ID,Customer Email"
    rows = [
        "ch_1,2026-09-01 22:30:00,100.00,0.00,eur,true,100.00,,3.20,Paid,cus_1,ann@x.example.org",
        "ch_2,2026-09-01 10:05:00,100.00,0.00,eur,false,100.00,,0,Failed,cus_2,bob@x.example.org",
        "ch_3,2026-09-01 10:06:00,100.00,40.00,eur,true,100.00,,3.20,Paid,cus_2,bob@x.example.org",
        "ch_4,2026-09-02 10:06:00,50.00,50.00,eur,true,50.00,,1.2,Refunded,cus_3,cyd@x.example.org",
    ]
    found, _ = read(tmp_path, "stripe_payments", "\n".join([header, *rows]))
    assert of(found, "order_id", "amount", "customer_id", "ordered_at") == [
        ("ch_1", 100, "cus_1", utc(2026, 9, 1, 22, 30)),
        ("ch_3", 60, "cus_2", utc(2026, 9, 1, 10, 6)),
    ]
    assert {row["currency_code"].upper() for row in found} == {"EUR"}
    short = "id,Created (UTC),Amount,Currency,Status\nch_1,2026-09-01 10:00,100.00,eur,Paid\n"
    assert of(read(tmp_path, "stripe_payments", short)[0], "order_id", "amount", "customer_id") == [("ch_1", 100, None)]
    without = short.replace(",Status", "").replace(",Paid", "")
    with pytest.raises(DriftError, match="there is no column 'Status'"):
        read(tmp_path, "stripe_payments", without)


def test_google_ads_report(tmp_path: Path) -> None:
    lines = [
        "Campaign performance",
        '"September 1, 2026 - September 2, 2026"',
        "Day,Campaign,Campaign ID,Campaign type,Currency code,Cost,Impr.,Clicks,Conversions,Search impr. share",
        '2026-09-01,Brand,111,Search,EUR,"1,234.50","12,345",678,4.00,45.10%',
        "2026-09-02,Brand,111,Search,EUR,10.00, --, --, --, --",
        'Total: Campaigns, --, --,,EUR,"1,244.50","12,345",678,4.00, --',
    ]
    expected = [
        (date(2026, 9, 1), "google_ads", "111", Decimal("1234.5"), 12345, "EUR", 4.0),
        (date(2026, 9, 2), "google_ads", "111", Decimal(10), None, "EUR", None),
    ]
    names = ("date", "platform", "campaign_id", "cost", "impressions", "currency_code", "conversions")
    found, tally = read(tmp_path, "google_ads_report", "\n".join(lines))
    assert (of(found, *names), tally.bad_row_count) == (expected, 0)
    # "Excel .csv" is tab-separated UTF-16
    tabbed = [
        "Campaign performance",
        "September 1, 2026 - September 2, 2026",
        lines[2].replace(",", "\t"),
        "2026-09-01\tBrand\t111\tSearch\tEUR\t1,234.50\t12,345\t678\t4.00\t45.10%",
        "2026-09-02\tBrand\t111\tSearch\tEUR\t10.00\t --\t --\t --\t --",
    ]
    assert of(read(tmp_path, "google_ads_report", "\n".join(tabbed), written_in="utf-16")[0], *names) == expected
    german = [
        "Kampagnenbericht",
        "Tag;Kampagne;Kampagnen-ID;Währungscode;Kosten;Impr.;Klicks;Conversions",
        "2026-09-01;Brand;111;EUR;1.234,50;12.345;678;4,00",
    ]
    found, _ = read(tmp_path, "google_ads_report", "\n".join(german))
    assert of(found, *names) == expected[:1]


@pytest.mark.parametrize(
    ("header", "row", "spent"),
    [
        (
            "Reporting starts,Reporting ends,Campaign name,Campaign ID,Ad set name,Day,Impressions,Link clicks,Amount spent (EUR),Results",
            '2026-09-01,2026-09-30,"Prospecting",c:120001,Set A,2026-09-02,1000,30,30.00,2',
            [(date(2026, 9, 2), Decimal(30))],
        ),
        (
            "Reporting starts,Reporting ends,Campaign name,Campaign ID,Impressions,Link clicks,Amount spent (EUR)",
            '2026-09-01,2026-09-03,"Prospecting",c:120001,3000,30,30.00',
            [(date(2026, 9, day), Decimal(10)) for day in (1, 2, 3)],
        ),
        (
            "Berichtsstart,Berichtsende,Kampagnenname,Kampagnen-ID,Tag,Impressionen,Link-Klicks,Ausgegebener Betrag (EUR)",
            '2026-09-01,2026-09-30,"Prospecting",c:120001,2026-09-02,1000,30,30.00',
            [(date(2026, 9, 2), Decimal(30))],
        ),
    ],
)
def test_meta_ads_export(tmp_path: Path, header: str, row: str, spent: list[tuple[date, Decimal]]) -> None:
    found, tally = read(tmp_path, "meta_ads_export", f"\ufeff{header}\n{row}\n")
    assert of(found, "date", "cost") == spent
    assert {(each["currency_code"], each["platform"], each["campaign_name"]) for each in found} == {
        ("EUR", "meta_ads", "Prospecting")
    }
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 0)


def test_yandex_direct_report(tmp_path: Path) -> None:
    names = ("date", "platform", "campaign_id", "campaign_name", "cost", "impressions", "currency_code")
    expected = [(date(2026, 9, 1), "yandex_direct", "111", "Brand", Decimal("125.5"), 100, "RUB")]
    service = (
        '"Costs (2026-09-01 - 2026-09-02)"\nDate\tCampaignId\tCampaignName\tImpressions\tClicks\tCost\tConversions\n'
        "2026-09-01\t111\tBrand\t100\t5\t125500000\t--\nTotal rows: 1\n"
    )
    rubles = {"constants": {"currency_code": "RUB"}}
    found, tally = read(tmp_path, "yandex_direct_report", service, "direct.tsv", **rubles)
    assert (of(found, *names), tally.bad_row_count) == (expected, 0)
    in_rubles = service.replace("125500000", "125.50")
    found, _ = read(tmp_path, "yandex_direct_report", in_rubles, "direct.tsv", **rubles, unit=None)
    assert of(found, *names) == expected
    with pytest.raises(
        DriftError, match=r"cost \(Cost\) 125.5 is not in micros, which have no decimals; take unit.cost away"
    ):
        read(tmp_path, "yandex_direct_report", in_rubles, "direct.tsv", **rubles)
    with pytest.raises(DriftError, match="cost has no currency"):
        read(tmp_path, "yandex_direct_report", service, "direct.tsv")
    wizard = (
        "Отчёт\nПериод;01.09.2026 - 02.09.2026\n\nДата;Кампания;№ Кампании;Показы;Клики;Расход (руб.);Конверсии\n"
        "01.09.2026;Brand;111;100;5;125,50;-\nИтого;;;100;5;125,50;\n"
    )
    found, tally = read(tmp_path, "yandex_direct_report", wizard, written_in="cp1251", encoding="cp1251")
    assert (of(found, *names), tally.bad_row_count) == (expected, 0)


def test_metrica_visits_is_what_the_readme_shows() -> None:
    written = next(e for e in yaml.safe_load(_readme_block("ym:s:"))["files"] if e["stream"] == "sessions")
    entry = {key: value for key, value in written.items() if key not in ("name", "path", "time_zone", "stream")}
    preset = {key: value for key, value in presets()["metrica_visits"].items() if key != "stream"}
    assert preset == entry


def _readme_block(marker: str) -> str:
    return next(block.split("```")[0] for block in PAGE.split("```yaml\n")[1:] if marker in block.split("```")[0])


def test_metrica_visits(tmp_path: Path) -> None:
    names = [
        name
        for names in presets()["metrica_visits"]["columns"].values()
        for name in (names if isinstance(names, list) else [names])
    ]
    names += [
        "ym:s:lastAdvEngine",
        "ym:s:lastSearchEngineRoot",
        "ym:s:lastSocialNetwork",
        "ym:s:lastMessenger",
        "ym:s:lastTrafficSource",
    ]
    cells = dict.fromkeys(names, "") | {
        "ym:s:date": "2026-03-02", "ym:s:visitID": "1", "ym:s:dateTime": "2026-03-02 00:30:00", "ym:s:clientID": "1650000000000000001",
        "ym:s:goalsID": "[12,34]", "ym:s:bounce": "0", "ym:s:lastTrafficSource": "ad", "ym:s:lastAdvEngine": "ya_direct",
    }  # fmt: skip
    content = "\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n"
    found, _ = read(tmp_path, "metrica_visits", content, "visits.tsv", time_zone="Europe/Moscow")
    assert of(found, "session_id", "started_at", "source", "medium", "key_events", "is_engaged") == [
        ("2026-03-02-1", utc(2026, 3, 1, 21, 30), "yandex", "cpc", 2, True)
    ]


def test_hubspot_deals_export(tmp_path: Path) -> None:
    header = "Record ID,Deal Name,Deal Stage,Amount,Currency,Create Date,Close Date,Deal owner,Pipeline,Associated Contact IDs"
    rows = [
        '9001,A,Closed Won,"1,200.00",EUR,2026-09-02 10:00,2026-09-05 10:00,Sam Sales,Sales Pipeline,501;502',
        "9002,B,Contract Sent (Sales Pipeline),800,EUR,2026-09-02 10:00,2026-09-30 10:00,Sam Sales,Sales Pipeline,502",
        "9003,C,A stage of our own,800,EUR,2026-09-02 10:00,,Sam Sales,Sales Pipeline,",
    ]
    names = ("deal_id", "status", "amount", "lead_id", "closed_at", "pipeline")
    found, tally = read(tmp_path, "hubspot_deals_export", "\n".join([header, *rows]))
    assert of(found, *names) == [
        ("9001", "won", 1200, "501", utc(2026, 9, 5, 10), "Sales Pipeline"),
        ("9002", "open", 800, "502", utc(2026, 9, 30, 10), "Sales Pipeline"),
    ]
    assert "translate it under values.status" in tally.bad_rows[0]
    own = {"values": {"status": {"A stage of our own": "lost"}}}
    found, tally = read(tmp_path, "hubspot_deals_export", "\n".join([header, *rows]), **own)
    assert [row["status"] for row in found] == ["won", "open", "lost"]
    xlsx = [
        header.split(","),
        [
            9001,
            "A",
            "Closed Won",
            1200.5,
            "EUR",
            datetime(2026, 9, 2, 10),
            datetime(2026, 9, 5, 10),
            "Sam",
            "P",
            "501;502",
        ],
    ]
    save(tmp_path / "deals.xlsx", Deals=xlsx)
    table, _ = swept(tmp_path, {"preset": "hubspot_deals_export", "path": "deals.xlsx"}, stream="deals")
    assert of(table.to_pylist(), "deal_id", "amount", "closed_at") == [("9001", Decimal("1200.5"), utc(2026, 9, 5, 10))]


def test_salesforce_report(tmp_path: Path) -> None:
    header = '"Opportunity Owner","Account Name","Opportunity Name","Opportunity ID","Stage","Amount Currency","Amount","Close Date","Created Date"'
    rows = [
        '"Maya Chen","Aurora","Aurora - Mining","006A1","Closed Won","USD","450,000.00","9/30/2026","1/13/2026"',
        '"Maya Chen","Boreas","Boreas - Mining","006A2","Proposal/Price Quote","USD","","10/1/2026","2/13/2026"',
        "",
        '"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."',
        '"Confidential Information - Do Not Distribute"',
        '"Generated By:  Maya Chen  9/30/2026, 3:05 PM"',
    ]
    content = "\n".join([header, *rows])
    found, tally = read(tmp_path, "salesforce_report", content, date_format="%m/%d/%Y")
    assert of(found, "deal_id", "status", "amount", "currency_code", "created_at", "closed_at") == [
        ("006A1", "won", 450000, "USD", utc(2026, 1, 13), utc(2026, 9, 30)),
        ("006A2", "open", None, "USD", utc(2026, 2, 13), utc(2026, 10, 1)),
    ]
    assert (tally.bad_row_count, tally.bad_cell_count) == (0, 0)
    with pytest.raises(DriftError, match="date_format"):  # 9/1 is a day in September, or in January
        read(tmp_path, "salesforce_report", content)


@pytest.mark.parametrize(
    ("header", "stages", "currency"),
    [
        ("ID;Название сделки;Ответственный;Этап сделки;Воронка;Бюджет ₽;Дата создания сделки;Дата закрытия;Рабочий email;utm_source", ("Переговоры", "Успешно реализовано"), "RUB"),
        ("ID;Lead title;Responsible user;Lead stage;Pipeline;Sale, $;Created at;Closed at;Work email;utm_source", ("Negotiation", "Closed - won"), "USD"),
    ],
)  # fmt: skip
def test_amocrm_export(tmp_path: Path, header: str, stages: tuple[str, str], currency: str) -> None:
    rows = [
        f"7001;Касса;Анна;{stages[0]};Продажи;150 000;01.09.2026 10:00:00;;ann@x.example.org;yandex",
        f"7002;Сайт;Анна;{stages[1]};Продажи;90000;02.09.2026 10:00:00;12.09.2026 18:00:00;bob@x.example.org;",
    ]
    found, tally = read(tmp_path, "amocrm_export", "\n".join([header, *rows]))
    assert of(found, "deal_id", "status", "amount", "currency_code", "created_at", "closed_at", "source") == [
        ("7001", "open", 150000, currency, utc(2026, 9, 1, 10), None, "yandex"),
        ("7002", "won", 90000, currency, utc(2026, 9, 2, 10), utc(2026, 9, 12, 18), None),
    ]
    assert found[0]["email_hash"] == hash_email("ann@x.example.org", KEY)
    assert tally.bad_row_count == 0


@pytest.mark.parametrize(
    ("header", "stage", "currency"),
    [
        ("ID;Название сделки;Стадия сделки;Сумма;Валюта;Контакт;Ответственный;Дата создания;Предполагаемая дата закрытия;Контакт: Рабочий e-mail", "Сделка успешна", "Российский рубль"),
        ("ID;Name;Stage;Total;Currency;Contact;Responsible person;Created on;End date;Contact: Work E-mail", "Deal won", "RUB"),
    ],
)  # fmt: skip
def test_bitrix24_export(tmp_path: Path, header: str, stage: str, currency: str) -> None:
    row = f"31;Касса;{stage};15000.00;{currency};Анна Петрова;Сергей;01.09.2026 10:00:00;12.09.2026;ann@x.example.org"
    found, _ = read(tmp_path, "bitrix24_export", f"\ufeff{header}\n{row}\n")
    assert of(found, "deal_id", "status", "amount", "currency_code", "created_at", "closed_at") == [
        ("31", "won", 15000, "RUB", utc(2026, 9, 1, 10), utc(2026, 9, 12))
    ]
    assert found[0]["email_hash"] == hash_email("ann@x.example.org", KEY)
    assert "Анна Петрова" not in str(found)


# ---- presets as such


def test_every_key_can_be_overridden_or_taken_away(tmp_path: Path) -> None:
    content = "Name,Email,Financial Status,Currency,Total,Net,Created at\n#1,a@x.org,voided,EUR,10,8,2026-09-01\n"
    more = {"name": "shop", "columns": {"amount": "Net"}, "where_not": None, "constants": {"currency_code": "USD"}}
    found, _ = read(tmp_path, "shopify_orders", content, **more)
    assert of(found, "account_id", "order_id", "amount", "currency_code") == [("shop", "#1", 8, "USD")]
    with pytest.raises(DriftError, match="there is no column 'Gross'"):
        read(tmp_path, "shopify_orders", content, **{**more, "columns": {"amount": "Gross"}})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"preset": "shopify", "path": "x.csv"},
            "preset 'shopify': there is none; allowed are amocrm_export, bitrix24_export",
        ),
        ({"preset": "shopify_orders", "path": "x.csv", "stream": "leads"}, "is of the stream orders, not leads"),
        ({"preset": "shopify_orders", "path": "x.parquet"}, "is of text and spreadsheets"),
        ({"preset": "shopify_orders", "path": "x.csv", "columns": {"total": "x"}}, "columns.total: no such column"),
        ({"name": "x", "stream": "leads", "path": "x.csv", "shapes": [1]}, "shapes"),
    ],
)
def test_wrong_entries_are_answered_with_the_key(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileMapping.model_validate(entry)


def test_a_file_that_is_another_export_is_told(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match="no line of it looks like the header of the preset shopify_orders"):
        read(tmp_path, "shopify_orders", "a,b\n1,2\n")
    with pytest.raises(DriftError, match="it is not as the preset shopify_orders: there is no column 'Created at'"):
        read(tmp_path, "shopify_orders", "Name,Email,Total,Currency,Financial Status\n#1,a@x.org,1,EUR,paid\n")


def test_the_readme_names_every_preset() -> None:
    assert [name for name in presets() if f"`{name}`" not in PAGE] == []
