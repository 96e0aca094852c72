"""Channels that files name: everybody's, the company's own, and those that nobody declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagster_project.sources.files import STREAMS
from dagster_project.wire import DriftError, Tally
from tests.support.dropped_files import LEADS, settings

OWN = ("Webinar", "Trade fair")
COSTS = {
    "name": "ledger", "stream": "other_costs", "path": "costs.csv",
    "columns": {"start_date": "day", "end_date": "day", "amount": "sum", "cost_type": "type", "channel": "ch"},
    "constants": {"currency_code": "EUR"},
}  # fmt: skip
ADS = {
    "name": "ads", "stream": "ad_cost", "path": "ads.csv",
    "columns": {"date": "day", "cost": "sum", "channel": "ch"}, "constants": {"currency_code": "EUR"},
}  # fmt: skip


def channels(
    folder: Path, mapping: dict[str, Any], lines: list[str], header: str
) -> tuple[list[str | None], list[str]]:
    """The channels of the rows that were taken, and the bad rows."""
    (folder / mapping["path"]).write_text("\n".join([header, *lines]) + "\n")
    files = settings(folder, mapping)
    files = files.model_copy(update={"channels": (*files.channels, *OWN)})
    tally = Tally()
    stream = next(s for s in STREAMS if s.name == mapping["stream"])
    taken = [value for page in stream.sweep(files, tally) for value in page.rows.column("channel").to_pylist()]
    return taken, tally.bad_rows


@pytest.mark.parametrize(
    ("mapping", "header", "row"),
    [
        (LEADS | {"columns": {**LEADS["columns"], "channel": "ch"}}, "ch,id,created", "{},{},2026-03-01"),
        (COSTS, "ch,id,day,sum,type", "{},{},2026-03-01,5,agency"),
        (ADS, "ch,id,day,sum", "{},{},2026-03-01,5"),
    ],
    ids=["leads", "costs", "ads"],
)
def test_a_declared_channel_stands_as_it_is_declared_and_another_is_a_bad_row(
    tmp_path: Path, mapping, header, row
) -> None:
    names = ["Webinar", "webinar", " trade  FAIR ", "paid search", "Offline", "(not set)", "", "Webiner"]
    taken, bad = channels(tmp_path, mapping, [row.format(name, n) for n, name in enumerate(names)], header)
    assert taken == ["Webinar", "Webinar", "Trade fair", "Paid Search", "Offline", "(not set)", None]
    (said,) = bad
    start = (
        f"{mapping['name']}: {mapping['path']}, line 9: channel (ch) 'Webiner' is none of Paid Search, Paid Social, "
    )
    assert said.startswith(start)
    assert said.endswith(", Webinar, Trade fair; translate it under values.channel, or declare it under channels.own")


def test_a_crm_may_have_other_words_and_a_ledger_may_not(tmp_path: Path) -> None:
    words = ["organic_search", "SEO", "paid-social", "Newsletter", "unknown"]
    leads = LEADS | {"columns": {**LEADS["columns"], "channel": "ch"}}
    taken, bad = channels(tmp_path, leads, [f"{word},{n},2026-03-01" for n, word in enumerate(words)], "ch,id,created")
    assert (taken, bad) == (words, [])
    _, bad = channels(
        tmp_path,
        COSTS,
        [f"{word},{n},2026-03-01,5,agency" for n, word in enumerate([*words, "Email"])],
        "ch,id,day,sum,type",
    )
    assert len(bad) == len(words)


def test_translated_names_and_constants_are_channels_too(tmp_path: Path) -> None:
    mapping = COSTS | {"values": {"channel": {"Messe": "Trade fair", "x": "Nowhere"}}}
    taken, bad = channels(
        tmp_path, mapping, ["Messe,1,2026-03-01,5,agency", "x,2,2026-03-01,5,agency"], "ch,id,day,sum,type"
    )
    assert taken == ["Trade fair"]
    assert "'Nowhere' is none of" in bad[0]
    everywhere = {k: v for k, v in COSTS["columns"].items() if k != "channel"}
    mapping = COSTS | {"columns": everywhere, "constants": {"currency_code": "EUR", "channel": "Nowhere"}}
    with pytest.raises(DriftError, match="none of its 1 rows can be read; line 2: channel 'Nowhere' is none of"):
        channels(tmp_path, mapping, ["Messe,1,2026-03-01,5,agency"], "ch,id,day,sum,type")
