"""The invented company: the same each time, every effect after its cause, every special case there."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dagster_project.sandbox import company as company_module
from dagster_project.sandbox.company import (
    AD_CLICKS,
    AD_STATS,
    FX_RATES,
    HISTORY_END,
    HISTORY_START,
    KEY_EVENTS,
    SESSIONS,
    Company,
    Record,
    RecordView,
    build,
)
from dagster_project.sandbox.company.landmarks import LANDMARKS
from dagster_project.sandbox.company.tags import TrafficSource
from dagster_project.wire.identity import normalise_phone

WON, CLOSED = {"won", "paid"}, {"won", "paid", "lost", "abandoned"}
END = datetime(2027, 1, 1, 12, tzinfo=UTC)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def by_id(views: list[RecordView]) -> dict[str, RecordView]:
    return {view.id: view for view in views}


def value_at(record: Record, name: str) -> list[str | None]:
    return [change.value for change in record.changes.get(name, [])]


# ---- the same each time ------------------------------------------------------------------------------------


def test_two_builds_of_a_seed_are_equal(company: Company) -> None:
    again = company_module._build.__wrapped__(company.seed, 1.0)
    assert again is not company
    assert again.web.sessions.equals(company.web.sessions)
    assert again.web.key_events.equals(company.web.key_events)
    assert again.ad_clicks.equals(company.ad_clicks)
    assert again.ad_stats_as_of(END).equals(company.ad_stats_as_of(END))
    assert again.fx_rates.equals(company.fx_rates)
    assert again.contacts == company.contacts
    assert again.deals == company.deals
    assert again.companies == company.companies
    assert again.submissions == company.submissions
    assert again.landmarks == company.landmarks


@pytest.mark.parametrize(("seed", "scale"), [(1, 1.0), (2026, 0.5)])
def test_another_seed_is_another_company_with_the_same_special_cases(seed: int, scale: float, company: Company) -> None:
    other = company_module._build.__wrapped__(seed, scale)
    assert not other.web.sessions.equals(company.web.sessions)
    assert other.landmarks.keys() == LANDMARKS.keys()


def test_a_scale_too_small_for_the_special_cases_is_refused() -> None:
    with pytest.raises(ValueError, match="scale lies between"):
        build(7, 0.01)


def test_tables_have_the_declared_columns(company: Company, demo_now: datetime) -> None:
    web = company.web_as_of(demo_now)
    assert web.sessions.schema == SESSIONS
    assert web.key_events.schema == KEY_EVENTS
    assert company.ad_stats_as_of(demo_now).schema == AD_STATS
    assert company.ad_clicks_as_of(demo_now).schema == AD_CLICKS
    assert company.fx_rates_as_of(demo_now).schema == FX_RATES
    nullable = {"client_id_dimension", "gclid", "withdrawn_at", "landing_page", "country_id", *TrafficSource._fields}
    assert {name for name in SESSIONS.names if company.web.sessions[name].null_count} == nullable


def test_the_company_is_of_the_size_that_the_demo_promises(company: Company) -> None:
    days = (HISTORY_END - HISTORY_START).days + 1
    assert 220 <= len(company.web.sessions) / days <= 280
    assert 3 <= len(company.contacts) / days <= 5
    first_deals: dict[str, Record] = {}
    for deal in company.deals:
        for association in deal.associations.get("contacts", [])[:1]:
            first_deals.setdefault(association.to_id, deal)
    reached_lead = [c for c in company.contacts if "lead" in value_at(c, "stage")]
    assert 0.2 <= len(first_deals) / len(reached_lead) <= 0.33
    closed = [value_at(d, "stage")[-1] for d in first_deals.values()]
    won, lost = closed.count("won"), closed.count("lost")
    assert 0.30 <= won / (won + lost) <= 0.42


# ---- every effect after its cause --------------------------------------------------------------------------


def test_the_first_touch_of_a_lead_precedes_it(company: Company) -> None:
    sessions = company.web.sessions
    started = dict(zip(sessions["session_id"].to_pylist(), sessions["started_at_utc"].to_pylist(), strict=True))
    contacts = {contact.id: contact for contact in company.contacts}
    recorded = [s for s in company.submissions if s.session_id is not None]
    assert len(recorded) > 0.9 * len(company.submissions)
    for submission in company.submissions:
        contact = contacts[submission.contact_id]
        assert contact.created_at <= submission.submitted_at
        if submission.session_id is not None:
            assert started[submission.session_id] < submission.submitted_at


def test_a_contact_that_did_not_come_from_a_list_was_made_by_a_submission(company: Company) -> None:
    made_at = {(s.contact_id, s.submitted_at) for s in company.submissions}
    for contact in company.contacts:
        if contact.changes["stage"][0].by != "import":
            assert (contact.id, contact.created_at) in made_at


def test_a_submission_in_a_recorded_visit_is_a_key_event_unless_it_is_the_newsletter(
    company: Company,
) -> None:
    sessions, key_events = company.web
    named = defaultdict(list)
    session_ids = sessions["session_id"].take(key_events["session_row"]).to_pylist()
    for session_id, name in zip(session_ids, key_events["event_name"].to_pylist(), strict=True):
        named[session_id].append(name)
    forms = {form.id: form.name for form in company.forms}
    expected = {"Newsletter": [], "Free trial": ["sign_up"]}
    for submission in company.submissions:
        if submission.session_id:
            form = forms[submission.form_id]
            assert named[submission.session_id] == expected.get(form, ["generate_lead"])


def test_deals_follow_their_contacts_and_move_through_stages_in_time(company: Company) -> None:
    contacts = {contact.id: contact for contact in company.contacts}
    stages = {stage.id: pipeline.id for pipeline in company.pipelines for stage in pipeline.stages}
    companies = {record.id for record in company.companies}
    without_contact = 0
    for deal in company.deals:
        linked = deal.associations.get("contacts", [])
        without_contact += not linked
        assert sum(association.is_primary for association in linked) == (1 if linked else 0)
        for association in linked:
            assert contacts[association.to_id].created_at <= association.since
            if association.is_primary:
                assert contacts[association.to_id].created_at <= deal.created_at
        assert {a.to_id for a in deal.associations.get("companies", [])} <= companies
        pipeline = value_at(deal, "pipeline")[0]
        assert {stages[value or ""] for value in value_at(deal, "stage")} == {pipeline}
    assert without_contact == 5


def test_histories_are_in_order_and_never_before_the_record(company: Company) -> None:
    for record in (*company.contacts, *company.deals):
        for changes in record.changes.values():
            times = [change.at for change in changes]
            assert times == sorted(times)
            assert times[0] >= record.created_at
            assert all(at.microsecond % 1000 == 0 for at in times)


def test_spend_is_where_clicks_are_and_clicks_are_listed_one_by_one(company: Company) -> None:
    stats = company.ad_stats_as_of(END)
    clicks, cost = stats["clicks"].to_numpy(), stats["cost_cents"].to_numpy()
    assert ((clicks > 0) == (cost > 0)).all()
    assert (stats["impressions"].to_numpy() >= clicks).all()
    by_stat = Counter(zip(stats["date"].to_pylist(), stats["campaign_id"].to_pylist(), strict=True))
    assert max(by_stat.values()) > 1
    expected: Counter[tuple[date, str]] = Counter()
    for day, campaign, count in zip(*(stats[n].to_pylist() for n in ("date", "campaign_id", "clicks")), strict=True):
        expected[day, campaign] += count
    listed = company.ad_clicks
    counted = Counter(zip(listed["date"].to_pylist(), listed["campaign_id"].to_pylist(), strict=True))
    assert counted == Counter({key: count for key, count in expected.items() if count})
    assert len(set(listed["gclid"].to_pylist())) == len(listed)


def test_a_visit_with_a_gclid_comes_moments_after_that_click(company: Company) -> None:
    sessions = company.web.sessions
    with_click = sessions.filter(pc.is_valid(sessions["gclid"]))
    row = pc.index_in(with_click["gclid"], company.ad_clicks["gclid"].combine_chunks())
    assert row.null_count == 0
    clicked = company.ad_clicks["clicked_at_utc"].take(row).cast(pa.int64()).to_numpy()
    waited_us = with_click["started_at_utc"].cast(pa.int64()).to_numpy() - clicked
    assert waited_us.min() > 0
    assert waited_us.max() <= 5_000_000
    assert 0.7 < len(with_click) / len(company.ad_clicks) < 0.88


def test_a_campaign_that_runs_everywhere_has_no_ads_and_every_channel_type_is_there(company: Company) -> None:
    stats = company.ad_stats_as_of(END).to_pylist()
    assert {row["channel_type"] for row in stats} == {
        "search", "everywhere", "display", "shopping", "video", "demand"
    }  # fmt: skip
    assert {row["ad_id"] for row in stats if row["channel_type"] == "everywhere"} == {None}
    assert any(row["ad_id"] is None for row in stats if row["channel_type"] == "search")


def test_demand_has_weekends_a_summer_dip_an_autumn_peak_and_growth(company: Company) -> None:
    dates = company.web.sessions["date"].to_pylist()
    a_day = Counter(dates)

    def mean(keep: list[date]) -> float:
        return float(np.mean([a_day[day] for day in keep]))

    days = [HISTORY_START + timedelta(days=n) for n in range((HISTORY_END - HISTORY_START).days + 1)]
    assert mean([d for d in days if d.weekday() == 6]) < 0.75 * mean([d for d in days if d.weekday() == 1])
    august, november = ([d for d in days if (d.year, d.month) == (2026, m)] for m in (8, 11))
    assert mean(august) < 0.8 * mean(november)
    assert mean(november) > 1.15 * mean([d for d in days if (d.year, d.month) == (2025, 11)])


def test_times_are_the_wall_clock_of_berlin(company: Company) -> None:
    rows = company.web.sessions.select(["started_at", "started_at_utc", "date"]).to_pylist()
    for row in rows[::997]:
        # In 2025 and 2026 the clocks change at 01:00 UTC on 26 October, 29 March and 25 October.
        utc = row["started_at_utc"].replace(tzinfo=UTC)
        is_winter = moment("2025-10-26T01:00") <= utc < moment("2026-03-29T01:00") or utc >= moment("2026-10-25T01:00")
        assert row["started_at"] - utc.replace(tzinfo=None) == timedelta(hours=1 if is_winter else 2)
        assert row["date"] == row["started_at"].date()
    assert min(row["date"] for row in rows) == HISTORY_START
    assert max(row["date"] for row in rows) == HISTORY_END


def test_new_visitors_are_the_first_visit_of_each_browser(company: Company) -> None:
    sessions = company.web.sessions
    first: set[str] = set()
    for client_id, is_new in zip(sessions["client_id"].to_pylist(), sessions["is_new"].to_pylist(), strict=True):
        assert is_new == (client_id not in first)
        first.add(client_id)


def test_addresses_are_reserved_for_examples(company: Company) -> None:
    for submission in company.submissions:
        email = dict(submission.values)["email"].strip().lower()
        assert email.endswith(("@example.com", "@example.org"))
    for owner in company.owners:
        assert owner.email.endswith("@example.com")


# ---- what was known when -----------------------------------------------------------------------------------


def test_a_day_is_complete_on_the_third_morning_after_it(company: Company, demo_now: datetime) -> None:
    known = company.web_as_of(demo_now).sessions
    final = pa.scalar(date(2026, 9, 28))
    robots = "free-traffic.example"

    def people_until(table: pa.Table) -> list[str]:
        table = table.filter(
            pc.and_(pc.less_equal(table["date"], final), pc.not_equal(pc.fill_null(table["source"], ""), robots))
        )
        return sorted(table["session_id"].to_pylist())

    assert people_until(known) == people_until(company.web.sessions)
    yesterday = pa.scalar(date(2026, 9, 30))
    seen = pc.sum(pc.equal(known["date"], yesterday)).as_py()
    total = pc.sum(pc.equal(company.web.sessions["date"], yesterday)).as_py()
    assert 0.3 * total < seen < 0.97 * total


def test_visits_show_and_stay_while_the_clock_moves(company: Company, demo_now: datetime) -> None:
    robots = "free-traffic.example"
    before: set[str] = set()
    for hours in (0, 7, 24, 48, 72):
        sessions = company.web_as_of(demo_now + timedelta(hours=hours)).sessions
        now = set(sessions.filter(pc.not_equal(pc.fill_null(sessions["source"], ""), robots))["session_id"].to_pylist())
        lost = before - now
        # Visits without a known source may turn out to be robots; nothing else goes.
        full = company.web.sessions
        kinds = full.filter(pc.is_in(full["session_id"], pa.array(sorted(lost), pa.string())))["source"].to_pylist()
        assert set(kinds) <= {robots}
        before = now


def test_late_robots_are_taken_out_of_a_day_that_seemed_final(company: Company) -> None:
    def visits(today: str) -> int:
        sessions = company.web_as_of(moment(f"{today}T06:00")).sessions
        return pc.sum(pc.equal(sessions["date"], pa.scalar(date(2026, 9, 24)))).as_py()

    assert visits("2026-10-01") == visits("2026-10-05")
    assert visits("2026-10-01") - visits("2026-10-07") > 60


def test_a_visit_may_show_before_its_source_is_known(company: Company, demo_now: datetime) -> None:
    sessions = company.web_as_of(demo_now).sessions
    moment_of_demo = pa.scalar(demo_now, sessions["attributed_at"].type)
    unknown = sessions.filter(pc.greater(sessions["attributed_at"], moment_of_demo))
    assert len(unknown) > 0
    assert min(unknown["date"].to_pylist()) >= date(2026, 9, 28)
    later = company.web_as_of(demo_now + timedelta(days=3)).sessions
    again = later.filter(pc.is_in(later["session_id"], unknown["session_id"].combine_chunks()))
    assert all(unknown[name].null_count == len(unknown) for name in TrafficSource._fields)
    said = pc.or_(pc.is_valid(again["source"]), pc.equal(pc.fill_null(again["channel"], ""), "Direct"))
    assert pc.all(said).as_py()


def test_key_events_point_to_their_visits_and_agree_with_the_counts(company: Company, demo_now: datetime) -> None:
    for sessions, key_events in (company.web, company.web_as_of(demo_now)):
        rows = key_events["session_row"].to_numpy()
        assert (np.bincount(rows, minlength=len(sessions)) == sessions["key_events"].to_numpy()).all()
        started = sessions["started_at_utc"].take(pa.array(rows)).cast(pa.int64()).to_numpy()
        assert (key_events["occurred_at_utc"].cast(pa.int64()).to_numpy() > started).all()


def test_ad_conversions_grow_for_thirty_days_and_cost_settles_in_three(company: Company) -> None:
    def of_day(now: datetime) -> tuple[float, int, int]:
        stats = company.ad_stats_as_of(now)
        stats = stats.filter(pc.equal(stats["date"], pa.scalar(date(2026, 5, 19))))
        return tuple(pc.sum(stats[n]).as_py() for n in ("conversions", "cost_cents", "clicks"))  # type: ignore[return-value]

    # Several days together, as one alone has few conversions.
    def conversions(now: datetime) -> float:
        stats = company.ad_stats_as_of(now)
        window = pc.and_(
            pc.greater_equal(stats["date"], pa.scalar(date(2026, 5, 1))),
            pc.less_equal(stats["date"], pa.scalar(date(2026, 5, 20))),
        )
        return pc.sum(stats.filter(window)["conversions"]).as_py()

    growth = [conversions(moment(f"2026-{day}T06:00")) for day in ("05-21", "05-28", "06-12", "06-25", "08-01")]
    assert growth == sorted(growth)
    assert growth[0] < growth[3] == growth[4]
    _, cost_next_day, clicks_next_day = of_day(moment("2026-05-20T06:00"))
    _, cost_third_day, clicks_third_day = of_day(moment("2026-05-22T06:00"))
    _, cost_later, clicks_later = of_day(moment("2026-07-22T06:00"))
    assert cost_next_day > cost_third_day == cost_later
    assert clicks_next_day == clicks_third_day == clicks_later


def test_today_has_only_the_clicks_so_far(company: Company) -> None:
    now = moment("2026-09-17T11:00")
    stats = company.ad_stats_as_of(now)
    today = stats.filter(pc.equal(stats["date"], pa.scalar(date(2026, 9, 17))))
    clicks = company.ad_clicks_as_of(now)
    assert pc.sum(today["clicks"]).as_py() == pc.sum(pc.equal(clicks["date"], pa.scalar(date(2026, 9, 17)))).as_py()
    assert pc.max(stats["date"]).as_py() == date(2026, 9, 17)


def test_a_campaign_shows_its_current_name_on_old_days_too(company: Company) -> None:
    def names(day: str) -> set[str]:
        return set(company.ad_stats_as_of(moment(f"{day}T06:00"))["campaign_name"].to_pylist())

    assert "UK+US | Search | Generic" in names("2026-04-15")
    assert "EN | Search | Generic" not in names("2026-04-15")
    assert "UK+US | Search | Generic" not in names("2026-04-16")
    # Visits keep the name that the campaign had when they came.
    assert "UK+US | Search | Generic" in company.web.sessions["campaign_name"].to_pylist()


def test_a_crm_view_never_knows_the_future(company: Company) -> None:
    now = moment("2026-03-15T06:00")
    views = [*company.contacts_as_of(now), *company.deals_as_of(now)]
    assert len(views) > 800
    for view in views:
        assert view.created_at <= view.updated_at <= now
        for name, changes in view.history.items():
            assert [change.at for change in changes] == sorted((change.at for change in changes), reverse=True)
            assert changes[0].at <= view.updated_at
            assert view.values[name] == changes[0].value
    ids = [int(view.id) for view in company.contacts_as_of(now)]
    assert ids == sorted(ids)
    assert max(s.submitted_at for s in company.submissions_as_of(now)) <= now


# ---- special cases -----------------------------------------------------------------------------------------


def test_an_archived_contact_moves_lists_and_keeps_its_last_modified_time(company: Company) -> None:
    contact_id = company.landmarks["archived_contact"]
    before, after = moment("2026-08-12T09:00"), moment("2026-08-12T10:00")
    live = by_id(company.contacts_as_of(before))[contact_id]
    assert contact_id not in by_id(company.contacts_as_of(after))
    archived = by_id(company.contacts_as_of(after, archived=True))[contact_id]
    assert archived.archived
    assert archived.archived_at == moment("2026-08-12T09:30")
    assert archived.updated_at == live.updated_at < before
    assert contact_id not in by_id(company.contacts_as_of(before, archived=True))


def test_a_deleted_contact_vanishes_with_its_submissions(company: Company) -> None:
    contact_id = company.landmarks["deleted_contact"]
    before, after = moment("2026-07-20T13:00"), moment("2026-07-20T14:00")
    assert contact_id in by_id(company.contacts_as_of(before))
    assert any(s.contact_id == contact_id for s in company.submissions_as_of(before))
    assert contact_id not in by_id(company.contacts_as_of(after))
    assert contact_id not in by_id(company.contacts_as_of(after, archived=True))
    assert not any(s.contact_id == contact_id for s in company.submissions_as_of(after))


@pytest.mark.parametrize(("name", "at"), [("merged", "2026-06-15T14:20"), ("merged_later", "2026-10-02T10:05")])
def test_the_loser_of_a_merge_vanishes_and_the_survivor_lists_it(company: Company, name: str, at: str) -> None:
    loser, survivor = company.landmarks[f"{name}_contact"], company.landmarks[f"{name}_survivor"]
    before = by_id(company.contacts_as_of(moment(at) - timedelta(hours=1)))
    after = by_id(company.contacts_as_of(moment(at) + timedelta(hours=1)))
    assert loser in before
    assert not before[survivor].absorbed
    assert loser not in after
    assert [record.id for record in after[survivor].absorbed] == [loser]
    assert after[survivor].updated_at == moment(at)
    assert before[loser].values["email"] != before[survivor].values["email"]


def test_no_view_of_a_deal_names_a_contact_that_is_not_there(company: Company) -> None:
    for text in ("2026-03-01T06:00", "2026-10-01T06:00", "2026-12-20T06:00"):
        live = by_id(company.contacts_as_of(moment(text)))
        for deal in company.deals_as_of(moment(text)):
            named = [association.to_id for association in deal.associations.get("contacts", [])]
            assert set(named) <= live.keys()
            assert len(named) == len(set(named))


def test_two_contacts_have_one_email_but_for_case_and_space(company: Company, demo_now: datetime) -> None:
    contacts = by_id(company.contacts_as_of(demo_now))
    twin = contacts[company.landmarks["same_email_contact"]].values["email"]
    original = contacts[company.landmarks["same_email_original"]].values["email"]
    assert twin != original
    assert twin.strip().lower() == original


def test_refunds_are_negative_won_deals_that_name_what_they_take_back(company: Company, demo_now: datetime) -> None:
    deals = by_id(company.deals_as_of(demo_now))
    refunds = [deal for deal in deals.values() if "refund_of" in deal.values]
    assert len(refunds) >= 5
    whole = 0
    for refund in refunds:
        paid = deals[refund.values["refund_of"]]
        assert refund.values["stage"] in WON
        assert refund.values["currency"] == paid.values["currency"]
        assert refund.created_at > paid.values["closes_at"]
        left = paid.values["amount"] + refund.values["amount"]
        assert 0 <= left < paid.values["amount"]
        whole += left == 0
    assert 1 <= whole < len(refunds)
    assert deals[company.landmarks["full_refund_deal"]] in refunds
    assert company.landmarks["full_refund_later_deal"] not in deals


def test_a_first_order_is_refunded_whole(company: Company) -> None:
    now = moment("2026-10-07T06:00")
    deals = by_id(company.deals_as_of(now))
    for name in ("", "_later"):
        paid = deals[company.landmarks[f"fully_refunded{name}_deal"]]
        refund = deals[company.landmarks[f"full_refund{name}_deal"]]
        assert refund.values["amount"] == -paid.values["amount"] < 0
        contact = paid.associations["contacts"][0].to_id
        won = [
            deal
            for deal in deals.values()
            if deal.values["stage"] in WON
            and any(a.to_id == contact and a.is_primary for a in deal.associations.get("contacts", []))
        ]
        assert min(won, key=lambda deal: deal.values["closes_at"]).id == paid.id


def test_a_lost_deal_is_reopened_and_won(company: Company, demo_now: datetime) -> None:
    deal_id = company.landmarks["reopened_deal"]
    history = [c.value for c in by_id(company.deals_as_of(demo_now))[deal_id].history["stage"]]
    assert history[:3] == ["won", "presentation", "lost"]
    closes = by_id(company.deals_as_of(demo_now))[deal_id].history["closes_at"]
    assert closes[0].value == by_id(company.deals_as_of(demo_now))[deal_id].values["closes_at"]
    reopened_at = by_id(company.deals_as_of(demo_now))[deal_id].history["stage"][1].at
    assert by_id(company.deals_as_of(reopened_at))[deal_id].values["stage"] not in CLOSED
    assert by_id(company.deals_as_of(reopened_at - timedelta(hours=1)))[deal_id].values["stage"] in CLOSED


def test_a_won_deal_is_reopened_and_lost_after_the_demo_day(company: Company, demo_now: datetime) -> None:
    deal_id = company.landmarks["reopened_later_deal"]
    stages = [
        by_id(company.deals_as_of(now))[deal_id].values["stage"]
        for now in (demo_now, moment("2026-10-03T06:00"), moment("2026-10-10T06:00"))
    ]
    assert stages == ["won", "decision_maker", "lost"]


def test_deals_without_amount_contact_or_company(company: Company, demo_now: datetime) -> None:
    deals = by_id(company.deals_as_of(demo_now))
    amountless = deals[company.landmarks["amountless_deal"]]
    assert "amount" not in amountless.values
    assert amountless.values["stage"] in WON
    assert not deals[company.landmarks["contactless_deal"]].associations
    assert deals[company.landmarks["company_only_deal"]].associations.keys() == {"companies"}
    assert {deal.values["currency"] for deal in deals.values()} == {"EUR", "USD"}
    assert company.landmarks["archived_deal"] in by_id(company.deals_as_of(demo_now, archived=True))


def test_a_deal_closes_five_months_after_its_click(company: Company, demo_now: datetime) -> None:
    deal = by_id(company.deals_as_of(demo_now))[company.landmarks["slow_deal"]]
    contact_id = company.landmarks["slow_contact"]
    assert deal.associations["contacts"][0].to_id == contact_id
    first = next(s for s in reversed(company.submissions) if s.contact_id == contact_id)
    sessions = company.web.sessions
    [visit] = sessions.filter(pc.equal(sessions["session_id"], first.session_id)).to_pylist()
    [click] = company.ad_clicks.filter(pc.equal(company.ad_clicks["gclid"], visit["gclid"])).to_pylist()
    waited = deal.values["closes_at"] - click["clicked_at_utc"]
    assert timedelta(days=151) < waited < timedelta(days=153)


def test_people_share_a_device(company: Company, demo_now: datetime) -> None:
    contacts = by_id(company.contacts_as_of(demo_now))
    people = [contacts[contact_id] for contact_id in company.landmarks["shared_device_contacts"].split(",")]
    assert len(people) == 3
    assert len({view.values["email"] for view in people}) == 3
    ids = {view.id for view in people}
    clients = Counter(s.session_id.split("-")[0] for s in company.submissions if s.contact_id in ids and s.session_id)
    sessions = company.web.sessions
    of_device = sessions.filter(pc.equal(sessions["client_id"], clients.most_common(1)[0][0]))
    assert len(set(of_device["visitor_id"].to_pylist())) == 3


def test_an_owner_left_and_not_everything_was_handed_over(company: Company, demo_now: datetime) -> None:
    [leaver] = company.owners_as_of(demo_now, archived=True)
    assert leaver.id == company.landmarks["archived_owner"]
    assert len(company.owners_as_of(demo_now)) == 4
    assert len(company.owners_as_of(moment("2026-05-01T00:00"))) == 5
    owners = [deal.values.get("owner") for deal in company.deals_as_of(demo_now)]
    assert leaver.id in owners
    moved = [d for d in company.deals_as_of(demo_now) if len(d.history.get("owner", [])) == 2]
    assert moved
    assert all(deal.history["owner"][1].value == leaver.id for deal in moved)
    for deal in company.deals:
        if deal.created_at > moment("2026-05-30T00:00") and "owner" in deal.changes:
            assert leaver.id not in value_at(deal, "owner")


def test_stages_are_skipped_and_gone_back_on(company: Company) -> None:
    order = [
        "subscriber",
        "lead",
        "mql",
        "sal",
        "sql",
        "opportunity",
        "customer",
    ]
    skipped = backward = 0
    for contact in company.contacts:
        ranks = [order.index(v) for v in value_at(contact, "stage") if v in order]
        steps = list(pairwise(ranks))
        backward += any(b < a for a, b in steps)
        skipped += any(b > a + 1 and {a, b} != {2, 4} for a, b in steps)
    assert backward > 20
    assert skipped > 20
    accepted = [c.at for r in company.contacts for c in r.changes["stage"] if c.value == "sal"]
    assert min(accepted) >= moment("2026-01-12T08:00")


def test_customers_come_back(company: Company, demo_now: datetime) -> None:
    won: Counter[str] = Counter()
    for deal in company.deals_as_of(demo_now):
        if deal.values["stage"] in WON and (deal.values.get("amount") or 1) > 0:
            won.update(a.to_id for a in deal.associations.get("contacts", []) if a.is_primary)
    assert sum(count >= 2 for count in won.values()) > 0.15 * len(won)


def test_sales_take_weeks(company: Company) -> None:
    days = []
    for deal in company.deals:
        closes = [c for c in deal.changes["stage"] if c.value == "won"]
        if closes and "refund_of" not in deal.changes:
            days.append((closes[-1].at - deal.created_at) / timedelta(days=1))
    assert 5 < median(days) < 40


# ---- exchange rates ----------------------------------------------------------------------------------------


def test_rates_are_set_on_target_business_days_only(company: Company) -> None:
    days = set(company.fx_rates["date"].to_pylist())
    # The calendar of TARGET: Good Friday and Easter Monday 2026 are 3 and 6 April.
    closed = [
        "2025-12-25",
        "2025-12-26",
        "2026-01-01",
        "2026-04-03",
        "2026-04-06",
        "2026-05-01",
        "2026-12-25",
    ]
    assert not days & {date.fromisoformat(day) for day in closed}
    assert {date(2025, 12, 24), date(2026, 4, 2), date(2026, 4, 7), date(2026, 10, 1)} <= days
    assert {day.weekday() for day in days} == {0, 1, 2, 3, 4}
    assert set(company.fx_rates["currency"].to_pylist()) == {"USD", "GBP", "CHF"}
    assert len(company.fx_rates) == 3 * len(days)


def test_a_rate_is_not_known_before_four_in_the_afternoon_in_frankfurt(company: Company) -> None:
    def latest(now: str) -> date:
        return pc.max(company.fx_rates_as_of(moment(now))["date"]).as_py()

    assert latest("2026-10-01T13:59") == date(2026, 9, 30)
    assert latest("2026-10-01T14:00") == date(2026, 10, 1)
    assert latest("2026-12-01T14:30") == date(2026, 11, 30)


def test_a_phone_is_one_persons_but_for_a_few_switchboards(company: Company) -> None:
    """Colleagues of one company may give its number; two contacts that are one human being give theirs twice."""
    owners: dict[str, set[str]] = {}
    for contact in company.contacts:
        for change in contact.changes.get("phone", []):
            owners.setdefault(normalise_phone(change.value) or "", set()).add(contact.id)
    shared = [who for who in owners.values() if len(who) > 1]
    assert "" not in owners
    assert 3 <= len(shared) <= 20
    assert max(map(len, shared)) <= 3
    assert len(owners) > 600
    phone_of = {
        contact.id: normalise_phone(value_at(contact, "phone")[-1])
        for contact in company.contacts
        if "phone" in contact.changes
    }
    for submission in company.submissions:
        if phone := dict(submission.values).get("phone"):
            assert normalise_phone(phone)[-7:] == phone_of[submission.contact_id][-7:]  # with or without the country


def test_forms_ask_where_one_heard_of_the_company_and_some_answer(company: Company) -> None:
    said = {c.id: c.changes["heard_from"][0] for c in company.contacts if "heard_from" in c.changes}
    imported = {c.id for c in company.contacts if c.changes["stage"][0].by == "import"}
    since = datetime(2026, 3, 2, 8, tzinfo=UTC)
    asked = [c for c in company.contacts if c.id not in imported and c.created_at >= since]
    assert all(said[c.id].at == c.created_at for c in company.contacts if c.id in said)
    assert not [c.id for c in company.contacts if c.id in said and c.id not in imported and c.created_at < since]
    assert 0.4 < len([c for c in asked if c.id in said]) / len(asked) < 0.65
    assert 0.5 < len(imported & said.keys()) / len(imported) < 0.9
    typed = {s.contact_id: v for s in company.submissions for n, v in s.values if n == "heard_from"}
    assert typed
    assert all(said[contact_id].value == answer for contact_id, answer in typed.items())
