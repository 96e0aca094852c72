"""int_source_days: which days of a subject are there, in which part of which stream, which are final, what vendors said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dagster_project.wire.contract import Part
from tests.support.house import House
from tests.support.what_happens import happens

DAYS = ("int_web_truth", "int_source_subjects", "int_source_days")
Day = tuple[bool, bool, str]
NOT_THERE: Day = (False, False, "ok")


def day_of(number: int, month: int = 3) -> date:
    return date(2026, month, number)


def found(house: House, subject: str, part: str | None = None) -> dict[date, Day]:
    """Of the days that begin with the first row or question, in one part of the subject."""
    named = "" if part is None else f"and source || '/' || stream || ':' || part = '{part}'"
    rows = house.rows(
        "select date_day, is_extracted, is_final, quality from intermediate.int_source_days "
        f"where subject = '{subject}' and has_begun {named} order by date_day"
    )
    assert len({row[0] for row in rows}) == len(rows), "name the part"
    return {day: (extracted, final, quality) for day, extracted, final, quality in rows}


def fed(house: House) -> dict[str, set[str]]:
    """Subject -> who feeds it."""
    who: dict[str, set[str]] = {}
    for subject, name in house.rows(
        "select subject, source || '/' || stream || case when part = '' then '' else ':' || part end "
        "from intermediate.int_source_subjects where source != 'config' and source != 'fx'"
    ):
        who.setdefault(subject, set()).add(name)
    return who


def test_a_report_covers_the_days_that_were_asked(house: House) -> None:
    """Today is 31 March; GA4 restates three days; 20 March was empty, 21 March was never asked."""
    days = [day_of(day) for day in (19, 20, 29)]
    house.put("ga4/traffic", [], days=days)
    house.put("ga4/traffic", [], days=[day_of(19)], quality={"is_thresholded": True, "sampled_share": 0.5})
    house.build(*DAYS)
    web = found(house, "web")
    assert web == {
        day_of(19): (True, True, "sampled;thresholded"),
        day_of(20): (True, True, "ok"),
        day_of(29): (True, False, "ok"),
    }
    assert found(house, "web.device") == web  # GA4 always gives its columns


def test_an_account_that_was_not_read_is_a_flag_of_its_days(house: House) -> None:
    house.put("google_ads/campaign_performance", [], days=[day_of(19)], quality={"unread_accounts": ["222"]})
    house.put("google_ads/campaign_performance", [], days=[day_of(20)])
    house.build(*DAYS)
    media = found(house, "media")
    assert (media[day_of(19)][2], media[day_of(20)][2]) == ("unread_accounts", "ok")


@happens(
    "a KPI of days of which cells could not be read",
    "`quality` says unread_cells:<source>; cells without a day are of any day",
)
def test_unread_cells_are_a_flag_of_their_days(house: House) -> None:
    campaigns = house.streams["google_ads/campaign_performance"]
    house.put(campaigns.id, [], days=[day_of(day) for day in (18, 19, 20, 21)])
    house.zone.note_refusals(campaigns, [day_of(18), day_of(19)], {day_of(20): 3}, {day_of(19): 1, day_of(18): 2})
    house.build(*DAYS)
    media = found(house, "media")
    assert [media[day_of(day)][2] for day in (18, 19, 20)] == [
        "unread_cells:google_ads",
        "unread_cells:google_ads",
        "ok",
    ]
    house.zone.note_refusals(campaigns, None, {}, {None: 1})
    house.build(*DAYS)
    media = found(house, "media")
    assert {media[day_of(day)][2] for day in (18, 19, 20, 21)} == {"unread_cells:google_ads"}


CONTACT = {
    "id": "1",
    "createdate": "2026-03-10T23:30:00",
    "lastmodifieddate": "2026-03-25T12:00:00",
    "archived": False,
}


def test_a_listing_of_records_covers_all_days_and_begins_with_its_first_record(house: House) -> None:
    """The contact was created on the 10th in London and on the 11th in Berlin, and changed on the 25th."""
    for zone, begin in (("Europe/London", 10), ("Europe/Berlin", 11)):
        house.rules({"reporting": {"time_zone": zone}})
        house.put("hubspot/contacts", [CONTACT])
        house.put("ga4/traffic", [], days=[day_of(1)])
        house.build(*DAYS)
        leads = found(house, "leads")
        assert min(leads) == day_of(begin)
        assert (leads[day_of(12)], leads[day_of(31)]) == ((True, True, "ok"), (True, False, "ok"))
        # days before the oldest record are 0, as read: they are there, and make no row of their own
        before = house.rows(
            "select is_extracted, has_begun from intermediate.int_source_days "
            "where subject = 'leads' and date_day = date '2026-03-02'"
        )
        assert before == [(True, False)]


def test_a_backfill_from_before_the_oldest_record_begins_where_it_was_asked(house: House) -> None:
    stream = house.streams["hubspot/contacts"]
    house.put("hubspot/contacts", [CONTACT])
    stamps: dict[str, Any] = {"extracted_at": datetime(2026, 3, 31, 3, tzinfo=UTC), "checked_on": day_of(31)}
    house.zone.replace_days(stream, [day_of(25)], [], asked_from=date(2026, 2, 20), **stamps)
    house.build(*DAYS)
    assert min(found(house, "leads")) == date(2026, 2, 20)


def test_records_that_were_never_listed_cover_no_day_before_their_first_one(house: House) -> None:
    """What changed since the 25th holds some of the contacts that were created on the 10th, not all."""
    house.put("hubspot/contacts", [CONTACT], days=[day_of(25), day_of(26)])
    house.build(*DAYS)
    leads = found(house, "leads")
    assert (min(leads), leads[day_of(25)]) == (day_of(25), (True, True, "ok"))


def test_a_file_covers_the_days_from_its_first_to_its_last_row(house: House) -> None:
    """Later days are no data, and so are earlier ones; ad cost settles in three days."""
    rows = [{"date": f"2026-03-{day}", "platform": "x", "cost": 1, "currency_code": "EUR"} for day in (10, 12, 29)]
    house.put("files/ad_cost", rows)
    house.put("google_ads/campaign_performance", [], days=[day_of(day) for day in range(1, 31)])
    house.build(*DAYS)
    file = found(house, "media", "files/ad_cost:test")
    assert list(file) == [day_of(10) + timedelta(n) for n in range(20)]
    assert (file[day_of(11)], file[day_of(28)], file[day_of(29)]) == (
        (True, True, "ok"),
        (True, True, "ok"),
        (True, False, "ok"),
    )
    assert list(found(house, "media", "google_ads/campaign_performance:")) == [day_of(n) for n in range(1, 31)]


def test_entries_of_one_name_are_one_part(house: House) -> None:
    """The older shape has no device: its days count for sessions and not for devices."""
    parts = [
        Part("shop", ("web",), day_of(1), day_of(9), day_of(1)),
        Part("shop", ("web", "web.device"), day_of(10), day_of(20), day_of(10)),
    ]
    house.put("files/sessions", [{"session_id": "s", "started_at": "2026-03-01T10:00:00"}], parts=parts)
    house.build(*DAYS)
    assert list(found(house, "web")) == [day_of(n) for n in range(1, 21)]
    assert list(found(house, "web.device")) == [day_of(n) for n in range(10, 21)]


@pytest.mark.parametrize("last_day", [None, date(2026, 12, 31)])
def test_what_covers_to_today_covers_to_the_day_of_reading(house: House, last_day: date | None) -> None:
    """A yearly contract of the ledger, and a file whose mapping says `covers: today`."""
    part = Part("books", ("cost",), day_of(10), last_day, day_of(10))
    line = {"line_id": "a", "start_date": "2026-03-10", "end_date": "2026-12-31", "amount": 1, "currency_code": "EUR"}
    house.put("files/other_costs", [{**line, "cost_type": "labour"}], parts=[part])
    house.build(*DAYS)
    assert list(found(house, "cost")) == [day_of(n) for n in range(10, 32)]
    house.today = date(2026, 4, 2)  # the file was not read again
    house.rules({})
    house.build(*DAYS)
    assert max(found(house, "cost")) == day_of(31)


def test_a_failed_source_is_named(house: House) -> None:
    stream = house.streams["ga4/traffic"]
    house.put("ga4/traffic", [], days=[day_of(1), day_of(30)])
    house.zone.note_failure(stream, "quota", datetime(2026, 3, 31, 4, tzinfo=UTC))
    house.build(*DAYS)
    web = found(house, "web")
    assert web[day_of(1)] == (True, True, "ok")  # final: the failure changes nothing about it
    assert web[day_of(30)] == (True, False, "stale:ga4")


def test_only_the_truth_counts(house: House) -> None:
    """For web one source, for orders the won deals or the orders of the source that is named."""
    house.put("ga4/traffic", [], days=[day_of(1)])
    house.put("files/sessions", [{"session_id": "s", "started_at": "2026-01-01T10:00:00"}])
    order = {"order_id": "o", "ordered_at": "2026-01-05T10:00:00", "amount": 5, "currency_code": "EUR"}
    house.put("files/orders", [order])
    house.put(
        "files/deals",
        [{"deal_id": "d", "closed_at": "2026-02-01T10:00:00", "status": "won", "filed_at": "2026-02-01T10:00:00"}],
    )
    house.build(*DAYS)
    who = fed(house)
    assert (who["web"], who["orders"]) == ({"ga4/traffic"}, {"files/deals:test"})
    assert "orders.amount" not in who  # the deals have none
    house.rules({"web": {"truth": "files"}, "revenue_truth": "files"})
    house.build(*DAYS)
    who = fed(house)
    assert (who["web"], who["orders"]) == ({"files/sessions:test"}, {"files/orders:test"})
    assert who["orders.amount"] == {"files/orders:test"}
    assert who["deals"] == {"files/deals:test"}


STAGES = ("int_stages_mapped",)  # by the defaults of crm.stages


def test_a_column_that_nobody_maps_is_fed_by_nobody(house: House) -> None:
    """A CRM that is off says nothing of its stages; a leads file without stages says nothing of MQLs."""
    house.put("files/leads", [{"lead_id": "1", "created_at": "2026-03-01T10:00:00"}])
    house.put("files/sessions", [{"session_id": "s", "started_at": "2026-03-01T10:00:00"}])
    house.build(*STAGES, *DAYS)
    assert fed(house) == {"leads": {"files/leads:test"}, "web": {"files/sessions:test"}}
    house.put("files/leads", [{"lead_id": "1", "created_at": "2026-03-01T10:00:00", "sql_at": "2026-03-02T10:00:00"}])
    house.put("hubspot/contacts", [CONTACT])
    house.build(*STAGES, *DAYS)
    who = fed(house)
    assert who["sql"] == {"files/leads:test", "hubspot/contacts"}
    assert who["mql"] == {"hubspot/contacts"}  # by the defaults of crm.stages
    assert "sal" not in who


def test_an_empty_ledger_feeds_nothing_and_one_with_media_two_things(house: House) -> None:
    subjects = "select subject from intermediate.int_source_subjects where source = 'config' order by 1"
    line = {
        "id": "a",
        "start": date(2026, 2, 1),
        "end": date(2026, 2, 28),
        "amount": 5,
        "currency": "EUR",
        "motion": "inbound",
    }
    for lines, expected in (
        ([], []),
        ([{**line, "cost_type": "labour"}], [("cost",)]),
        ([{**line, "cost_type": "media"}], [("cost",), ("media",)]),
    ):
        house.rules({"ledger": lines})
        house.build(*DAYS)
        assert house.rows(subjects) == expected
    assert min(found(house, "cost")) == date(2026, 2, 1)
