"""The business rules as tables: every stream reads, types hold, values are those of funnelhouse.yml."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from dagster_project.raw.zone import RawZone
from dagster_project.settings import Settings, load_settings
from dagster_project.sources.config import STREAMS
from dagster_project.sources.files.streams import FILE_STREAMS
from dagster_project.wire import Tally
from dagster_project.wire.variables import SettingsError

ANNOUNCED = "settings stage_map own_channels channel_rules source_aliases campaign_aliases self_reported_aliases ledger targets gross_margins platform_motions goals survey_questions"


def loaded(folder: Path, **rules: Any) -> Settings:
    (folder / "funnelhouse.yml").write_text(yaml.safe_dump(rules))
    return load_settings({"FUNNELHOUSE_HOME": "home", "FUNNELHOUSE_TODAY": "2026-10-01"}, folder=folder)


def rows(settings: Settings, name: str) -> list[dict[str, Any]]:
    """The rows of one stream, without the columns that say where they come from."""
    stream = next(s for s in STREAMS if s.name == name)
    table = pa.concat_tables(page.rows for page in stream.sweep(settings.of("config"), Tally()))
    assert table.schema.equals(stream.schema)
    return table.drop_columns(["account_id", "_extra", "_filed_on"]).to_pylist()


def test_all_streams_are_there_and_can_be_stored_with_nothing_configured(tmp_path: Path) -> None:
    settings, zone = loaded(tmp_path), RawZone(tmp_path / "raw")
    assert [stream.name for stream in STREAMS] == ANNOUNCED.split()
    for stream in STREAMS:
        pages = stream.sweep(settings.of("config"), Tally())
        written = zone.replace_all(stream, pages, extracted_at=settings.now, checked_on=settings.today)
        if stream.name != "stage_map":
            assert written.rows == (1 if stream.name == "settings" else 0)


def test_a_new_account_of_each_crm_is_read_without_any_rule(tmp_path: Path) -> None:
    """The values that a new account has by the vendor's own documents. amoCRM and Pipedrive have none: each account
    makes its stages, and they are told by being won, lost or open."""
    means = {(row["crm"], row["stage_value"]): row["stage"] for row in rows(loaded(tmp_path), "stage_map")}
    assert {crm for crm, _ in means} == {"hubspot", "salesforce", "bitrix24"}
    assert means["hubspot", "marketingqualifiedlead"] == "mql"
    assert means["salesforce", "Open - Not Contacted"] == "lead"
    assert means["salesforce", "Closed - Converted"] == means["bitrix24", "CONVERTED"] == "sql"
    assert means["bitrix24", "NEW"] == "lead"


def test_the_row_of_settings(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        reporting={
            "time_zone": "Europe/Berlin",
            "currency": "eur",
            "week_start": "sunday",
            "fiscal_year_start_month": 4,
        },
        web={"truth": "files", "own_domains": ["a.example", "b.example"], "goals": ["sign_up"]},
        crm={"truth": ["files"], "customer": "company"},
        revenue_truth="files",
        gross_margin={"default": 0.4},
        attribution={
            "default_model": "linear",
            "lookback_days": {"lead": 30},
            "half_life_days": 3.5,
            "models_by_grain": {"week": ["markov", "linear"], "year": "default"},
        },
        maturity={"stage_window_days": 20, "stage_windows_days": {"sql>opportunity": 60}},
        exchange_rates={"providers": ["cbr", "file"], "carry_days": 10},
        files=[
            {"name": "shop", "stream": stream, "path": "x.csv", "columns": columns}
            for stream, columns in (
                ("sessions", {"session_id": "id", "started_at": "at"}),
                ("orders", {"order_id": "id", "ordered_at": "at"}),
                ("exchange_rates", {"date": "d", "currency": "c", "base_currency": "b", "rate": "r"}),
            )
        ],
    )
    (row,) = rows(settings, "settings")
    expected = {
        "today": date(2026, 10, 1),
        "reporting_time_zone": "Europe/Berlin",
        "reporting_currency": "EUR",
        "reporting_week_start": "sunday",
        "reporting_fiscal_year_start_month": 4,
        "web_truth": "files",
        "web_own_domains": "a.example,b.example",
        "web_ignored_referrers": "",
        "crm_truth": "files",
        "crm_customer": "company",
        "revenue_truth": "files",
        "gross_margin_default": 0.4,
        "attribution_default_model": "linear",
        "attribution_half_life_days": 3.5,
        "attribution_models_day": "linear",
        "attribution_models_week": "linear,markov",
        "attribution_models_month": "all",
        "attribution_models_year": "linear",
        "attribution_lookback_days_lead": 30,
        "attribution_lookback_days_order": 90,
        "maturity_stage_window_days": 20,
        "maturity_stage_window_days_lead_to_mql": 20,
        "maturity_stage_window_days_sql_to_opportunity": 60,
        "exchange_rates_providers": "cbr,file",
        "exchange_rates_carry_days": 10,
    }
    assert {name: row[name] for name in expected} == expected
    assert "now" not in row  # a clock in the rules would make rules of every run new ones
    assert rows(settings, "goals") == [{"event_name": "sign_up"}]


def test_lists_of_rules(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        crm={
            "stages_from": "nothing",
            "stages": [{"value": "demo", "stage": "sql", "object": "deal", "pipeline": "p1"}],
        },
        channels={
            "own": ["Partners", "Events"],
            "rules": [
                {"channel": "partners", "source": "partner-.*"},
                {"channel": "Events", "medium": "event"},
            ],
            "source_aliases": {"fb": "facebook"},
            "campaign_aliases": [{"alias": "spring", "platform": "google_ads", "campaign": "123"}],
        },
        gross_margin={"products": {"basic": 0.5}},
        platform_motions={"vk": "inbound"},
        ledger=[
            {
                "id": "agency",
                "start": date(2026, 1, 1),
                "end": date(2026, 1, 31),
                "amount": 1234.56,
                "currency": "USD",
                "cost_type": "agency",
                "motion": "outbound",
                "acquisition_share": 0.8,
            }
        ],
        targets=[{"kpi": "leads", "period_start": date(2026, 1, 1), "value": 100}],
    )
    assert rows(settings, "stage_map") == [
        {"crm": "hubspot", "object": "deal", "pipeline": "p1", "stage_value": "demo", "stage": "sql"}
    ]
    assert [(r["position"], r["channel"], r["source"], r["medium"]) for r in rows(settings, "channel_rules")] == [
        (1, "Partners", "partner-.*", None),
        (2, "Events", None, "event"),
    ]
    assert rows(settings, "own_channels") == [{"channel": "Partners"}, {"channel": "Events"}]
    assert rows(settings, "source_aliases") == [{"alias": "fb", "source": "facebook"}]
    assert rows(settings, "campaign_aliases") == [{"alias": "spring", "platform": "google_ads", "campaign": "123"}]
    assert rows(settings, "gross_margins") == [{"product": "basic", "margin": 0.5}]
    assert rows(settings, "platform_motions") == [{"platform": "vk", "motion": "inbound"}]
    (line,) = rows(settings, "ledger")
    assert (
        line["line_id"],
        line["end_date"],
        line["amount"],
        line["currency_code"],
        line["acquisition_share"],
    ) == (
        "agency",
        date(2026, 1, 31),
        Decimal("1234.56"),
        "USD",
        0.8,
    )
    assert rows(settings, "targets") == [
        {
            "kpi_id": "leads",
            "grain": "month",
            "period_start": date(2026, 1, 1),
            "dimension": "total",
            "member": "all",
            "target": 100.0,
        }
    ]


def test_ledger_and_targets_have_the_columns_of_their_files() -> None:
    streams = {stream.name: stream for stream in STREAMS}
    for name, file_stream in (("ledger", "other_costs"), ("targets", "targets")):
        columns = set(streams[name].schema.names) - {"account_id", "_extra", "_filed_on"}
        assert columns == set(FILE_STREAMS[file_stream].columns)


def test_a_day_later_the_rules_are_still_filed_in_one_place(tmp_path: Path) -> None:
    zone, stream = RawZone(tmp_path / "raw"), STREAMS[0]
    for day in (1, 2, 3):
        settings = loaded(tmp_path)
        pages = stream.sweep(settings.of("config"), Tally())
        stamp = datetime(2026, 10, day, tzinfo=UTC)
        zone.replace_all(stream, pages, extracted_at=stamp, checked_on=stamp.date())
    assert len(zone.extracted_days(stream)) == 1


def test_questions_of_surveys_in_their_order(tmp_path: Path) -> None:
    questions = [
        {"question": " NPS main ", "kind": "nps", "form": "abc"},
        {"question": "again", "kind": "loyalty", "scale": [1, 5]},
    ]
    found = rows(loaded(tmp_path, surveys={"questions": questions}), "survey_questions")
    assert [(r["position"], r["question"], r["form"], r["kind"], r["scale_low"], r["scale_high"]) for r in found] == [
        (1, "NPS main", "abc", "nps", None, None),
        (2, "again", None, "loyalty", 1.0, 5.0),
    ]
    for wrong, said in (
        ({"question": "again", "kind": "loyalty"}, "needs its scale"),
        ({"question": "q", "kind": "nps", "scale": [0, 10]}, "scale is for the kind loyalty"),
        ({"question": " ", "kind": "nps"}, "question is empty"),
    ):
        with pytest.raises(SettingsError, match=said):
            loaded(tmp_path, surveys={"questions": [wrong]})
