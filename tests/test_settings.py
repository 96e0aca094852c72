"""Settings: any subset of sources; a wrong value is answered with its key, the value seen and what is allowed."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import TypeAdapter

from dagster_project.settings import load_rules, load_settings
from dagster_project.sources import all_sources
from dagster_project.wire.source import Source
from dagster_project.wire.variables import SettingsError
from tests.support.what_happens import happens

GOOGLE_ADS = {
    "GOOGLE_ADS_DEVELOPER_TOKEN": "dev-token-secret",
    "GOOGLE_ADS_CLIENT_ID": "client",
    "GOOGLE_ADS_CLIENT_SECRET": "client-secret",
    "GOOGLE_ADS_REFRESH_TOKEN": "refresh-secret",
    "GOOGLE_ADS_CUSTOMER_ID": "123-456-7890, 222-333-4444",
}


def rules(folder: Path, text: str) -> None:
    (folder / "funnelhouse.yml").write_text(text, encoding="utf-8")


def test_nothing_set_means_every_account_is_off_and_defaults_hold(tmp_path: Path) -> None:
    settings = load_settings({}, folder=tmp_path)
    assert (settings.of("ga4"), settings.of("hubspot"), settings.of("google_ads"), settings.of("files")) == (
        None,
        None,
        None,
        None,
    )
    assert settings.home == tmp_path / "data"
    assert settings.raw_root == str(tmp_path / "data" / "raw")
    assert (settings.rules.reporting.time_zone, settings.rules.attribution.lookback("order")) == ("UTC", 90)


def test_a_source_is_on_when_its_required_variables_are_set(tmp_path: Path) -> None:
    settings = load_settings({**GOOGLE_ADS, "FUNNELHOUSE_TODAY": "2026-10-01"}, folder=tmp_path)
    assert settings.of("google_ads") is not None
    assert settings.of("google_ads").customer_ids == ["123-456-7890", "222-333-4444"]
    assert settings.today == date(2026, 10, 1)
    assert settings.of("hubspot") is None


def test_a_half_configured_source_names_what_is_missing(tmp_path: Path) -> None:
    del (env := dict(GOOGLE_ADS))["GOOGLE_ADS_REFRESH_TOKEN"]
    with pytest.raises(SettingsError, match="GOOGLE_ADS_REFRESH_TOKEN: not set, but GOOGLE_ADS_CLIENT_ID"):
        load_settings(env, folder=tmp_path)


def test_google_ads_needs_no_developer_token_and_is_not_switched_on_by_one(tmp_path: Path) -> None:
    del (env := dict(GOOGLE_ADS))["GOOGLE_ADS_DEVELOPER_TOKEN"]
    settings = load_settings(env, folder=tmp_path)
    assert settings.of("google_ads") is not None
    assert settings.of("google_ads").developer_token is None
    assert load_settings({"GOOGLE_ADS_DEVELOPER_TOKEN": "dev-token-secret"}, folder=tmp_path).of("google_ads") is None


@happens(
    "a wrong variable: plain http, a foreign id, a half-set source",
    "refused at load: the key, the value seen, what is allowed; secrets are not shown",
)
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"GA4_PROPERTY_ID": "G-ABC123", "GA4_CREDENTIALS_FILE": "key.json"}, "'G-ABC123' is not a numeric property id .*Measurement ID"),
        ({"GA4_PROPERTY_ID": "1", "GA4_CREDENTIALS_FILE": "anonymous"}, "anonymous is allowed only with a loopback"),
        ({"GA4_PROPERTY_ID": "1", "GA4_CREDENTIALS_FILE": "k", "GA4_BASE_URL": "ga.example.com:443"}, "only on loopback"),
        ({"GA4_PROPERTY_ID": "1", "GA4_CREDENTIALS_FILE": "k", "GA4_TRANSPORT": "soap"}, "GA4_TRANSPORT = 'soap'.*'grpc' or 'rest'"),
        ({"HUBSPOT_ACCESS_TOKEN": "x", "HUBSPOT_BASE_URL": "http://h"}, "HUBSPOT_BASE_URL = 'http://h': plain http would send the credentials readable"),
        ({**GOOGLE_ADS, "GOOGLE_OAUTH_TOKEN_URL": "http://h/token"}, "GOOGLE_OAUTH_TOKEN_URL = 'http://h/token': plain http"),
        ({"GA4_PROPERTY_ID": "1", "GA4_CREDENTIALS_FILE": "k", "GA4_BASE_URL": "http://ga.example.com"}, "plain http or gRPC .* only on loopback"),
        ({"HUBSPOT_ACCESS_TOKEN": "x", "HUBSPOT_BASE_URL": "https://h/api"}, "HUBSPOT_BASE_URL = 'https://h/api': allowed is scheme, host and port"),
        ({**GOOGLE_ADS, "GOOGLE_ADS_CUSTOMER_ID": "abc"}, "GOOGLE_ADS_CUSTOMER_ID 'abc' is not a customer id"),
        ({**GOOGLE_ADS, "GOOGLE_ADS_API_VERSION": "26"}, "GOOGLE_ADS_API_VERSION = '26'"),
        ({"FUNNELHOUSE_POSTGRES_URL": "mysql://u:pw-secret@h/db"}, "^FUNNELHOUSE_POSTGRES_URL: allowed is an address such as postgresql://user:password@host:5432/database$"),
        ({"FUNNELHOUSE_MEMORY_LIMIT": "80%"}, "^FUNNELHOUSE_MEMORY_LIMIT='80%': allowed is an amount of memory such as 8GB or 6GiB, from 512MB to"),
        ({"FUNNELHOUSE_MEMORY_LIMIT": "8"}, "^FUNNELHOUSE_MEMORY_LIMIT='8': allowed is an amount"),
        ({"FUNNELHOUSE_MEMORY_LIMIT": "100MB"}, "^FUNNELHOUSE_MEMORY_LIMIT='100MB': allowed is an amount"),
        ({"FUNNELHOUSE_MEMORY_LIMIT": "900TB"}, "^FUNNELHOUSE_MEMORY_LIMIT='900TB': allowed is an amount"),
        ({"FUNNELHOUSE_TODAY": "1.10.2026"}, "FUNNELHOUSE_TODAY='1.10.2026': allowed is a day such as"),
        ({"FUNNELHOUSE_CONFIG": "nowhere.yml"}, "there is no such file"),
    ],
)  # fmt: skip
def test_wrong_variables_are_named(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(environment, folder=tmp_path)


@happens(
    "a wrong rule: NaN, no currency, no cron line, a key or an id twice, an unknown KPI, CRM or web truth",
    "refused at load: the key, the value seen, what is allowed",
)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reporting: {time_zone: Berlin}", "reporting.time_zone = 'Berlin': not a time zone name"),
        ("reporting: {currency: EURO}", "reporting.currency = 'EURO': not a currency code"),
        ("reporting: {currency: ABC}", "reporting.currency = 'ABC': not a currency code"),
        ("reportin: {}", "reportin: no such key"),
        ("reporting: {currency: EUR}\nreporting: {currency: USD}", "key 'reporting' stands twice, in lines 1 and 2"),
        ("files:\n- where:\n    3: [paid]\n    3: [open]", "key 3 stands twice, in lines 3 and 4"),
        ("gross_margin: {default: .nan}", "gross_margin.default = nan"),
        ("ledger: [{id: a, start: 2026-02-01, end: 2026-02-01, amount: .nan, currency: EUR, cost_type: media, motion: inbound}]", "ledger.0.amount = nan"),
        ("ledger: [&a {id: a, start: 2026-02-01, end: 2026-02-01, amount: 1, currency: EUR, cost_type: media, motion: inbound}, *a]", "ledger has two entries for id a"),
        ("targets: [{kpi: leds, period_start: 2026-02-01, value: 1}]", "targets.0.kpi = 'leds': no such KPI; allowed are such as leads"),
        ("targets: [{kpi: leads, period_start: 2026-02-03, value: 1}]", "targets.0.period_start = 2026-02-03: no month begins on this day; .* begins on 2026-02-01"),
        ("targets: [{kpi: leads, grain: week, period_start: 2026-02-03, value: 1}]", "no week begins on this day; .* begins on 2026-02-02"),
        ("reporting: {fiscal_year_start_month: 2}\ntargets: [{kpi: leads, grain: quarter, period_start: 2026-04-01, value: 1}]", "no quarter begins on this day; .* begins on 2026-02-01"),
        ("targets: [&t {kpi: leads, period_start: 2026-02-01, value: 1}, *t]", "targets has two entries for target leads, month, 2026-02-01"),
        ('schedule: {nightly: "99 3 * * *"}', "schedule.nightly = '99 3 .*': not a line that cron accepts"),
        ("schedule: {deep: weekly}", "schedule.deep = 'weekly': not a line that cron accepts"),
        ("web: {truth: yandex_metrica}", "web.truth = 'yandex_metrica': .*'ga4'"),
        ("crm: {truth: [salesfroce]}", "crm.truth.0 = 'salesfroce': .*'hubspot'"),
        ("channels: {campaign_aliases: [&a {alias: s, platform: google_ads, campaign: c}, *a]}", "campaign_aliases has two entries for alias and platform s, google_ads"),
        ("customers: {active_days: 90}", "customers: no such key"),
        ("maturity: {traffic_to_lead_days: 30}", "maturity.traffic_to_lead_days.*: no such key"),
        ("files: [{name: s, stream: surveys, path: x.csv, columns: {survey: a}}]", "files.0.stream = 'surveys': .*'leads'"),
        ("crm: {truth: [files, files]}", "truth has two entries for CRM files"),
        ("crm: {stages: [{value: x, stage: mql}, {value: x, stage: sql}]}", "stages has two entries for value hubspot, contact, x"),
        ("gross_margin: {default: 80}", "gross_margin.default = 80: .*less than or equal to 1"),
        ("attribution: {default_model: markov, models: [last]}", "attribution: default_model 'markov' is not among"),
        ("maturity: {stage_windows_days: {mql>won: 3}}", "mql>won.*'lead>mql'"),
        ("channels: {rules: [{channel: Podcast, source: p}]}\nledger: [{id: a, start: 2026-01-01, end: 2026-01-02, amount: 1, currency: EUR, cost_type: media, motion: inbound, channel: Fair}]",
         "channels.rules.0.channel = 'Podcast', ledger.0.channel = 'Fair': no such channel; declare it under channels.own, or name one of Paid Search, .*Offline"),
        ("channels: {self_reported: [{says: x, source: y, channel: Podcast}]}", "channels.self_reported.0.channel = 'Podcast': no such channel"),
        ("channels: {own: [email]}", "own: Email needs no declaration"),
        ("channels: {own: [Podcast, podcast]}", "own has two entries for channel podcast"),
        ("channels: {own: ['']}", "own: '' is no name of a channel"),
        ('channels: {own: [X], rules: [{channel: X, source: "(?!google).*"}]}', "channels.rules.0.source = .*not a regular expression that the warehouse can read .invalid perl operator"),
        ("channels: {own: [X], rules: [{channel: X, medium: cpc, campaign: a(}]}", "channels.rules.0.campaign = .*not a regular expression that the warehouse can read .missing"),
        ("channels: {own: [X], rules: [{channel: X}]}", "channels.rules.0: a channel rule needs at least one"),
        ("ledger: [{id: a, start: 2026-02-02, end: 2026-02-01, amount: 1, currency: EUR, cost_type: media, motion: inbound}]", "end 2026-02-01 is before start"),
        ("- a list", "allowed is a mapping of keys, seen a list"),
        ("a: [", "not valid YAML"),
    ],
)  # fmt: skip
def test_wrong_rules_are_named(tmp_path: Path, text: str, said: str) -> None:
    rules(tmp_path, text)
    with pytest.raises(SettingsError, match=said):
        load_rules({}, folder=tmp_path)


@happens("web.truth or revenue_truth name a source that is not there", "refused at load: which source it needs")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web: {truth: ga4}", "web.truth: ga4 needs GA4_PROPERTY_ID and GA4_CREDENTIALS_FILE, and there is none"),
        ("web: {truth: files}", "web.truth: files needs an entry under `files:` with `stream: sessions`"),
        ("web: {truth: ga4_export}", "with `stream: ga4_export`"),
        ("revenue_truth: files", "revenue_truth: files needs an entry under `files:` with `stream: orders`"),
        ("revenue_truth: shopify", "revenue_truth: shopify needs SHOPIFY_SHOP, and there is none"),
        ("revenue_truth: ga4", "revenue_truth = 'ga4': allowed is one of 'crm', "),
        ("revenue_truth: hubspot", "revenue_truth = 'hubspot': allowed is one of 'crm', "),
    ],
)
def test_a_truth_needs_its_source(tmp_path: Path, text: str, said: str) -> None:
    rules(tmp_path, text)
    with pytest.raises(SettingsError, match=said):
        load_settings({}, folder=tmp_path)


@happens("funnelhouse.yml is a folder, or not UTF-8", "one sentence with its name")
def test_a_file_of_rules_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes("channels: {rules: [{channel: Büro, source: x}]}".encode("latin-1"))
    (tmp_path / "folder.yml").mkdir()
    for name, said in (
        ("latin.yml", "latin.yml is not UTF-8 .byte 30"),
        ("folder.yml", "folder.yml cannot be read .Is a directory"),
    ):
        with pytest.raises(SettingsError, match=said):
            load_rules({"FUNNELHOUSE_CONFIG": name}, folder=tmp_path)


@happens("crm.stages names one value", "it is added to the defaults of its CRM; stages_from: nothing begins empty")
def test_stages_add_to_the_defaults_value_by_value(tmp_path: Path) -> None:
    stages = "stages: [{value: customlead, stage: sal}, {value: opportunity, stage: sql}]"
    rules(tmp_path, f"crm: {{{stages}}}")
    meaning = {(r.crm, r.value): r.stage for r in load_rules({}, folder=tmp_path).stage_rules() if r.crm == "hubspot"}
    assert meaning == {
        ("hubspot", "lead"): "lead", ("hubspot", "marketingqualifiedlead"): "mql", ("hubspot", "salesqualifiedlead"): "sql",
        ("hubspot", "customer"): "won", ("hubspot", "customlead"): "sal", ("hubspot", "opportunity"): "sql",
    }  # fmt: skip
    rules(tmp_path, f"crm: {{stages_from: nothing, {stages}}}")
    assert [r.value for r in load_rules({}, folder=tmp_path).stage_rules()] == ["customlead", "opportunity"]


def test_secrets_are_in_no_error_and_no_repr(tmp_path: Path) -> None:
    settings = load_settings(GOOGLE_ADS, folder=tmp_path)
    assert "-secret" not in repr(settings)
    with pytest.raises(SettingsError) as error:
        load_settings({**GOOGLE_ADS, "GOOGLE_ADS_API_VERSION": "26"}, folder=tmp_path)
    assert "-secret" not in str(error.value)


def test_the_hash_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = load_settings({}, folder=tmp_path).hash_key.get_secret_value()
    assert load_settings({}, folder=tmp_path).hash_key.get_secret_value() == first
    assert len(first) == 64
    assert stat.S_IMODE((tmp_path / "data" / "hash_key").stat().st_mode) == 0o600
    assert load_settings({"FUNNELHOUSE_HASH_KEY": "mine"}, folder=tmp_path).hash_key.get_secret_value() == "mine"


def test_an_object_store_holds_the_raw_zone_only(tmp_path: Path) -> None:
    settings = load_settings({"FUNNELHOUSE_HOME": "s3://bucket/fh"}, folder=tmp_path)
    assert settings.raw_root == "s3://bucket/fh/raw"
    assert settings.home == tmp_path / "data"


def test_the_default_today_is_the_day_in_the_reporting_zone(tmp_path: Path) -> None:
    rules(tmp_path, "reporting: {time_zone: Pacific/Kiritimati}")  # UTC+14, so never behind UTC
    east = load_settings({}, folder=tmp_path).today
    rules(tmp_path, "reporting: {time_zone: Pacific/Honolulu}")  # UTC-10: always one day behind UTC+14
    assert (east - load_settings({}, folder=tmp_path).today).days == 1


@pytest.mark.parametrize(
    "source", [each for each in all_sources().values() if each.variables], ids=lambda source: source.name
)
def test_a_default_is_shown_as_it_would_be_written(source: Source) -> None:
    """A line of .env.example with its mark of a comment taken away changes nothing."""
    fields = {field.alias: field for field in source.settings.model_fields.values() if field.alias}
    for shown in source.variables:
        if shown.default and not shown.example and not shown.default.startswith("<"):
            field = fields[shown.name]
            kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            assert TypeAdapter(kind).validate_python(shown.default) == field.default, shown.name


def test_each_crm_brings_what_its_values_mean_and_the_truth_is_by_name_with_files_last(tmp_path: Path) -> None:
    crms = [source for source in all_sources().values() if source.is_crm]
    assert {"hubspot", "files"} <= {crm.name for crm in crms}
    found = load_rules({}, folder=tmp_path)
    assert found.crm_truth == (*sorted(crm.name for crm in crms if not crm.is_local), "files")
    assert {(rule.crm, rule.value) for rule in found.stage_rules()} == {
        (crm.name, each.value) for crm in crms for each in crm.stages
    }
