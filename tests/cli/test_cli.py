"""The command line: what a person is told, and the exit code. Whole runs are in pipeline/."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

from dagster_project import cli
from dagster_project.cli import demo_home
from dagster_project.cli.ending import Stop
from dagster_project.sandbox import DEMO_CONFIG, Sandbox, serve
from dagster_project.settings import load_settings
from tests.support.what_happens import happens

TODAY = date(2026, 10, 1)
Said = tuple[int, str]
FRAME = dict.fromkeys(map(ord, "│╭╮╰╯─"), " ")  # typer draws a box around what was typed wrong, and wraps inside it


@pytest.fixture
def funnelhouse(
    no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """`funnelhouse("refresh", "--deep")`: exit code and everything said, on one line, as of 2026-10-01."""
    monkeypatch.setenv("FUNNELHOUSE_TODAY", TODAY.isoformat())
    monkeypatch.chdir(no_vendor_variables)

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["funnelhouse", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, " ".join((captured.out + captured.err).translate(FRAME).split())

    return run


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(today=TODAY, seed=2, scale=0.5) as running:
        yield running


@happens(
    "a mistyped command, source, day or number of periods",
    "one sentence, exit code 2, before anything is loaded or made",
)
@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("backfill --start 2026-09-30 --end 2026-09-01", 2, "--end 2026-09-01 is before --start 2026-09-30"),
        ("backfill --start 2026-10-01 --end 2026-10-01", 2, "--start 2026-10-01 is not over yet: today is 2026-10-01"),
        ("backfill --start 01.09.2026 --end 2026-09-01", 2, "'01.09.2026' does not match the format"),
        ("backfill --start 2026-09-01 --end 2026-10-05", 2, "--end 2026-10-05 is not over yet: today is 2026-10-01"),
        (
            "backfill --start 2014-12-31 --end 2026-09-01",
            2,
            "--start 2014-12-31 is before 2015-01-01, the first day that can be loaded",
        ),
        ("show cpl --periods -3", 2, "Invalid value for '--periods': Input should be greater than or equal to 1"),
        ("show cpl --end soon", 2, "'soon' does not match the format"),
        ("refesh", 2, "No such command 'refesh'. Did you mean 'refresh'?"),
        ("refresh --source ga5", 2, "--source 'ga5' is not a source; allowed: "),
        ("show cpl", 1, "nothing is published yet; run `funnelhouse refresh`"),
        ("explain cpl --period 2026-09", 1, "nothing is published yet; run `funnelhouse refresh`"),
        ("sandbox --fault hubspot:sleepy", 2, "--fault: no fault 'sleepy'; there are throttle, "),
    ],
)
def test_a_wrong_command_is_one_message_that_names_it(
    funnelhouse: Callable[..., Said], command: str, code: int, message: str, no_vendor_variables: Path
) -> None:
    got, said = funnelhouse(*command.split())
    assert message in said
    assert got == code
    assert "Traceback" not in said
    assert not (no_vendor_variables / "home" / "raw").exists()


def test_it_says_which_version_it_is(funnelhouse: Callable[..., Said]) -> None:
    assert funnelhouse("--version") == (0, f"funnelhouse {version('funnelhouse')}")


def test_a_mistyped_command_is_answered_without_loading_the_house() -> None:
    """The warehouse, Arrow and Dagster take seconds to load: no usage error needs them."""
    script = "import sys; sys.argv = ['funnelhouse', 'refesh']; from dagster_project import cli; import atexit\n" \
        "atexit.register(lambda: print(sorted({'pyarrow', 'duckdb', 'dagster'} & set(sys.modules))))\ncli.main()"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (2, "[]")


@happens("the home is a file, or cannot be written", "one sentence that names FUNNELHOUSE_HOME")
@pytest.mark.parametrize(
    ("home", "message"),
    [
        ("file", "FUNNELHOUSE_HOME={} cannot be used (it is a file)"),
        ("/proc/funnelhouse", "FUNNELHOUSE_HOME={} cannot be used (No such file or directory)"),
        ("/sys/funnelhouse", "FUNNELHOUSE_HOME={} cannot be used ("),
    ],
)
def test_a_home_that_cannot_be_written_is_one_message(
    funnelhouse: Callable[..., Said],
    no_vendor_variables: Path,
    monkeypatch: pytest.MonkeyPatch,
    home: str,
    message: str,
) -> None:
    (no_vendor_variables / "file").write_text("not a folder")
    path = no_vendor_variables / home  # an absolute path stands for itself
    monkeypatch.setenv("FUNNELHOUSE_HOME", str(path))
    for command in ("refresh", "show leads", "doctor"):
        code, said = funnelhouse(*command.split())
        assert message.format(path) in said
        assert (code, "Traceback" in said) == (1, False)


@happens("refresh --deep --sweep, and the deep pass ends red", "the sweep is done as well; exit code 1 and why")
def test_a_deep_pass_that_ends_red_does_not_spare_the_sweep(
    funnelhouse: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str] = []

    def run(_settings: object, mode: str, *_: object, **_how: object) -> None:
        modes.append(mode)
        if mode == "deep":
            raise Stop("1 streams could not be read")

    monkeypatch.setattr(cli, "_run", run)
    assert funnelhouse("refresh", "--deep", "--sweep") == (1, "error 1 streams could not be read")
    assert modes == ["deep", "sweep"]


@happens("the disk is full at the start", "one sentence; nothing was made")
def test_a_full_disk_at_the_start_is_one_message(
    funnelhouse: Callable[..., Said], no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", link)
    code, said = funnelhouse("refresh")
    assert (code, "Traceback" in said) == (1, False)
    assert f"FUNNELHOUSE_HOME={no_vendor_variables / 'home'} cannot be used (No space left on device)" in said


@happens("demo --no-keep, and the home is not the demo's", "refused; nothing is removed or loaded")
def test_the_demo_touches_no_folder_that_it_did_not_make(
    funnelhouse: Callable[..., Said], no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = no_vendor_variables / "home"
    (precious / "raw").mkdir(parents=True)
    (precious / "raw" / "years.parquet").write_text("of work")
    for home in (precious, precious / "raw" / "years.parquet"):
        for option in ("--keep", "--no-keep"):
            code, said = funnelhouse("demo", option, "--home", str(home))
            assert f"{home} was not made by the demo: move it away" in said
            assert code == 1
    assert (precious / "raw" / "years.parquet").read_text() == "of work"


@happens("demo beside a .env with a raw zone and PostgreSQL of the company", "the demo sees none of it")
def test_the_demo_sees_nothing_of_another_installation(
    no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {
        "FUNNELHOUSE_RAW": "s3://company/raw",
        "FUNNELHOUSE_POSTGRES_URL": "postgresql://company/kpis",
        "GA4_PROPERTY_ID": "1",
    }
    monkeypatch.chdir(no_vendor_variables)
    monkeypatch.setenv("FUNNELHOUSE_POSTGRES_URL", own["FUNNELHOUSE_POSTGRES_URL"])
    (no_vendor_variables / ".env").write_text("\n".join(f"{name}={value}" for name, value in own.items()))
    home = no_vendor_variables / "demo"
    demo_home.prepare(home, keep=True)
    with demo_home.environment(home, {"FUNNELHOUSE_TODAY": "2026-10-01"}):
        settings = load_settings()
    assert (settings.home, settings.raw_root) == (home, str(home / "raw"))
    assert (settings.postgres_url, settings.of("ga4")) == (None, None)
    assert os.environ["FUNNELHOUSE_POSTGRES_URL"] == own["FUNNELHOUSE_POSTGRES_URL"]
    demo_home.prepare(home, keep=False)  # it made this one, so it may begin anew
    assert [path.name for path in home.iterdir()] == [demo_home.MARK]


def test_the_demos_tables_are_found_where_nothing_else_was_loaded(
    no_vendor_variables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUNNELHOUSE_HOME")
    home = no_vendor_variables / demo_home.FOLDER
    assert demo_home.found(no_vendor_variables) is None
    demo_home.prepare(home, keep=True)
    with demo_home.environment(home, {"FUNNELHOUSE_TODAY": "2026-10-01"}):
        pass
    found = demo_home.found(no_vendor_variables)
    assert found is not None
    assert load_settings(found, folder=no_vendor_variables).home == home
    (no_vendor_variables / ".env").write_text("FUNNELHOUSE_HOME=mine")
    assert demo_home.found(no_vendor_variables) is None


@happens("no value of the CRM means a stage", "doctor names the stage; its KPIs have no data")
def test_doctor_says_which_stages_nothing_leads_to(funnelhouse: Callable[..., Said], no_vendor_variables: Path) -> None:
    (no_vendor_variables / "leads.csv").write_text("id,at,q\n1,2026-09-01,2026-09-02\n")
    mapping = "{name: crm, stream: leads, path: leads.csv, columns: {lead_id: id, created_at: at, mql_at: q}}"
    (no_vendor_variables / "funnelhouse.yml").write_text(f"exchange_rates: {{providers: []}}\nfiles: [{mapping}]\n")
    code, said = funnelhouse("doctor")
    assert "nothing of files means sal, sql" in said
    assert code == 0


@happens(
    "15 of 17 rows of a report are refused, its mapping being the second",
    "`doctor` names it, its number, money and reason",
)
def test_doctor_reads_every_mapping(funnelhouse: Callable[..., Said], no_vendor_variables: Path) -> None:
    good, bad = "2026-09-01,0.65,USD\n", "soon,84.20,USD\n"
    (no_vendor_variables / "fine.csv").write_text("Day,Cost,Cur\n" + good)
    (no_vendor_variables / "odd.csv").write_text("Day,Cost,Cur\n" + good * 2 + bad * 15)
    mapping = "{{name: {0}, stream: ad_cost, path: {0}.csv, columns: {{date: Day, cost: Cost, currency_code: Cur}}}}"
    entries = ", ".join(mapping.format(name) for name in ("fine", "odd"))
    (no_vendor_variables / "funnelhouse.yml").write_text(f"exchange_rates: {{providers: []}}\nfiles: [{entries}]\n")
    code, said = funnelhouse("doctor")
    assert code == 1
    assert "1 rows of ad_cost (fine), 2 rows of ad_cost (odd)" in said
    assert "ad_cost (odd): 15 of 17 rows are refused, more than reading.refused_share (5%) allows" in said
    assert "15 rows left out, in them cost USD 1,263.00. First: odd: odd.csv, line 4: date (Day)" in said


def test_a_wrong_setting_is_one_message_that_names_it(
    funnelhouse: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNNELHOUSE_TODAY", "soon")
    code, said = funnelhouse("refresh")
    assert code == 1
    assert "FUNNELHOUSE_TODAY" in said
    assert "'soon'" in said
    assert "Traceback" not in said


def test_doctor_says_how_to_switch_on_what_is_off(funnelhouse: Callable[..., Said], no_vendor_variables: Path) -> None:
    # reference rates need no variable, so they are on: not here, where nobody may be asked
    (no_vendor_variables / "funnelhouse.yml").write_text("exchange_rates: {providers: []}\n")
    code, said = funnelhouse("doctor")
    assert code == 0
    for variable in ("GA4_PROPERTY_ID", "GA4_CREDENTIALS_FILE", "HUBSPOT_ACCESS_TOKEN", "GOOGLE_ADS_REFRESH_TOKEN"):
        assert variable in said
    assert "an entry under `files:`" in said
    assert "Viewer of the property" in said


def test_doctor_asks_each_vendor_that_is_on(
    funnelhouse: Callable[..., Said], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**sandbox.env, "FUNNELHOUSE_CONFIG": str(DEMO_CONFIG)}.items():
        monkeypatch.setenv(name, value)
    code, said = funnelhouse("doctor")
    assert code == 0
    for stream in ("traffic", "contacts", "campaign_performance", "rates"):
        assert f"rows of {stream}" in said
    sandbox.faults.set("hubspot", "expired_token", None)
    try:
        code, said = funnelhouse("doctor")
    finally:
        sandbox.faults.clear()
    assert code == 1
    assert "HubSpot does not accept HUBSPOT_ACCESS_TOKEN (401" in said
    assert "at least one source that is on does not answer" in said
    assert sandbox.env["HUBSPOT_ACCESS_TOKEN"] not in said
    assert "rows of traffic" in said  # the others were asked all the same
