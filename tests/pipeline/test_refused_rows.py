"""Rows that were refused are seen in Dagster and by whoever started the run: a check that warns, words, numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import dagster as dg

from dagster_project import ingest
from dagster_project.cli.refresh import _refused
from dagster_project.defs.ingest import _checks, _results, raw_key
from dagster_project.defs.publish import failed_streams_of
from dagster_project.wire import AuthError, Tally

AD_COST = next(stream for stream in ingest.streams(["files"]) if stream.name == "ad_cost")
CAMPAIGNS = next(stream for stream in ingest.streams(["google_ads"]) if stream.name == "campaign_performance")


def run_of(outcome: ingest.Outcome) -> tuple[dg.ExecuteInProcessResult, dict[str, str]]:
    """A run that reads one stream with this outcome; the streams that failed in it, as the last step sees them."""

    @dg.multi_asset(specs=[dg.AssetSpec(raw_key(outcome.stream))], check_specs=_checks([outcome.stream]))
    def read() -> Iterator[object]:
        yield from _results(outcome, {})

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([read], instance=instance)
        return done, {name: why.error for name, why in failed_streams_of(instance, done.run_id).items()}


def checks(done: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in done.get_asset_check_evaluations()}


def test_refused_rows_are_a_warning_with_their_number_and_money() -> None:
    tally = Tally()
    tally.bad_row("ads: odd.csv, line 4: date (Day) 'soon' is no day", {"cost USD": Decimal("84.20")})
    tally.bad_row("ads: odd.csv, line 5: date (Day) 'soon' is no day", {"cost USD": Decimal("10")})
    tally.bad_cell("ads: odd.csv, line 6: clicks 'many' is no number")
    done, failed = run_of(ingest.Outcome(AD_COST, "ok", tally=tally))
    said = (
        "2 rows left out, in them cost USD 94.20. First: ads: odd.csv, line 4: date (Day) 'soon' is no day; "
        "1 unreadable cell left empty. First: ads: odd.csv, line 6: clicks 'many' is no number"
    )
    check = checks(done)["nothing_was_refused"]
    assert (check.passed, check.severity, check.metadata["refused"].value) == (False, dg.AssetCheckSeverity.WARN, said)
    assert checks(done)["was_read"].passed
    assert failed == {}
    assert dict(_refused(done)) == {"raw_files/ad_cost": said}
    [event] = done.get_asset_materialization_events()
    assert event.materialization.metadata["refused_money"].value == {"cost USD": "94.20"}


def test_a_run_without_refused_rows_says_nothing_of_them() -> None:
    done, failed = run_of(ingest.Outcome(AD_COST, "ok"))
    assert checks(done)["nothing_was_refused"].passed
    assert (dict(_refused(done)), failed) == ({}, {})


def test_an_account_that_failed_makes_the_run_red_and_is_named() -> None:
    tally = Tally()
    tally.read_account("1")
    tally.fail_account("2", AuthError("account 2: the signed-in user may not read it"))
    outcome = ingest.Outcome(CAMPAIGNS, "partial", tally=tally, error=ingest._words_of_accounts(tally))
    done, failed = run_of(outcome)
    assert not checks(done)["was_read"].passed
    assert failed == {
        "raw_google_ads/campaign_performance": "1 of 2 accounts could not be read (2: account 2: the signed-in user may not "
        "read it); what is stored of them stays"
    }
