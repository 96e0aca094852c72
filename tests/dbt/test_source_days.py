"""int_source_days: which days are there, which are final, and what the vendors said."""

from __future__ import annotations

from datetime import UTC, date, datetime

from house import House

DAYS = (
    "int_web_truth",
    "int_source_days",
)


def found(house: House, domain: str) -> dict[date, tuple[bool, bool, str]]:
    query = (
        f"select date_day, is_extracted, is_final, quality from intermediate.int_source_days where domain = '{domain}'"
    )
    return {day: (extracted, final, quality) for day, extracted, final, quality in house.rows(query)}


def test_a_report_covers_the_days_that_were_asked(house: House) -> None:
    """Today is 31 March; GA4 restates three days; 20 March was empty, 21 March was never asked."""
    days = [date(2026, 3, day) for day in (19, 20, 29)]
    house.put("ga4/traffic", [], days=days)
    house.put("ga4/traffic", [], days=[date(2026, 3, 19)], quality={"is_thresholded": True, "sampled_share": 0.5})
    house.build(*DAYS)
    web = found(house, "web")
    assert (min(web), max(web)) == (date(2026, 3, 19), date(2026, 3, 31))
    assert web[date(2026, 3, 19)] == (True, True, "sampled;thresholded")
    assert web[date(2026, 3, 20)] == (True, True, "ok")
    assert web[date(2026, 3, 21)] == (False, False, "ok")
    assert web[date(2026, 3, 29)] == (True, False, "ok")


def test_an_account_that_was_not_read_is_a_flag_of_its_days(house: House) -> None:
    house.put("google_ads/campaign_performance", [], days=[date(2026, 3, 19)], quality={"unread_accounts": ["222"]})
    house.put("google_ads/campaign_performance", [], days=[date(2026, 3, 20)])
    house.build(*DAYS)
    ads = found(house, "ads")
    assert (ads[date(2026, 3, 19)][2], ads[date(2026, 3, 20)][2]) == ("unread_accounts", "ok")


def test_records_cover_all_days_from_their_first_business_day(house: House) -> None:
    house.put(
        "hubspot/contacts",
        [
            {
                "id": "1",
                "createdate": "2026-03-10T12:00:00",
                "lastmodifieddate": "2026-03-25T12:00:00",
                "archived": False,
            }
        ],
    )
    house.build("stg_hubspot__contacts", "stg_hubspot__deals", *DAYS)
    crm = found(house, "crm")
    assert min(crm) == date(2026, 3, 10)
    assert crm[date(2026, 3, 12)] == (True, True, "ok")
    assert crm[date(2026, 3, 31)] == (True, False, "ok")


def test_a_gap_of_one_platform_is_a_gap_of_spend(house: House) -> None:
    """Google was read to the 20th, the file to today: on the 21st not all spend is known."""
    house.put("google_ads/campaign_performance", [], days=[date(2026, 3, 19), date(2026, 3, 20)])
    house.put("files/ad_cost", [{"date": "2026-03-18", "platform": "x", "cost": 1, "currency_code": "EUR"}])
    house.build(*DAYS)
    ads = found(house, "ads")
    assert ads[date(2026, 3, 18)][0]  # before Google's first day: it had not begun
    assert ads[date(2026, 3, 20)] == (True, True, "ok")
    assert not ads[date(2026, 3, 21)][0]


def test_a_failed_source_is_named(house: House) -> None:
    stream = house.streams["ga4/traffic"]
    house.put("ga4/traffic", [], days=[date(2026, 3, 1), date(2026, 3, 30)])
    house.zone.note_failure(stream, "quota", datetime(2026, 3, 31, 4, tzinfo=UTC))
    house.build(*DAYS)
    web = found(house, "web")
    assert web[date(2026, 3, 1)] == (True, True, "ok")  # final: the failure changes nothing about it
    assert web[date(2026, 3, 30)] == (True, False, "stale:ga4")


def test_only_the_truth_counts_for_web(house: House) -> None:
    house.put("ga4/traffic", [], days=[date(2026, 3, 1)])
    house.put("files/sessions", [{"session_id": "s", "started_at": "2026-01-01T10:00:00"}])
    house.build(*DAYS)
    assert min(found(house, "web")) == date(2026, 3, 1)
    house.rules({"web": {"truth": "files"}})
    house.build(*DAYS)
    assert min(found(house, "web")) == date(2026, 1, 1)
