"""A company at random, of which the warehouse knows what was loaded so far: backfills in any order, and all that
happens to marts, targets, settings and definitions between two builds.

Happenings are made so that they cancel where a memory of rows is weak: two members of a day swap what they have, many
rows change alike, targets move together.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

from dagster_project.kpis.catalogue import Catalogue
from tests.support.big_marts import big_warehouse
from tests.support.kpi_warehouse import USUAL

LAST, DAYS = date(2026, 11, 30), 460  # more than a year and a quarter: periods have a year-ago
DAY_OF = {
    "fct_web_traffic": "date_day", "fct_web_visitors": "period_start", "fct_leads": "lead_date",
    "fct_lead_stages": "reached_date", "fct_opportunities": "created_date", "fct_orders": "order_date",
    "fct_costs": "date_day", "fct_attribution": "conversion_date", "fct_ad_performance": "date_day",
}  # fmt: skip
MARTS_OF = {  # by the stream that brings their rows; the others bring none
    **dict.fromkeys(USUAL, ()),
    "ga4/traffic": ("fct_web_traffic",),
    "ga4/visitors_day": ("fct_web_visitors",),
    "hubspot/contacts": ("fct_leads", "fct_lead_stages"),
    "hubspot/deals": ("fct_opportunities", "fct_orders", "fct_attribution"),
    "google_ads/campaign_performance": ("fct_costs", "fct_ad_performance"),
}
CUTS_OF = {
    "fct_web_traffic": ("channel", "source", "device", "country"),
    "fct_web_visitors": ("member",),
    "fct_leads": ("channel", "form", "sales_rep"),
    "fct_lead_stages": ("channel", "sales_rep"),
    "fct_opportunities": ("channel", "product", "sales_rep"),
    "fct_orders": ("product", "country"),
    "fct_costs": ("channel", "platform", "campaign_key"),
    "fct_attribution": ("channel", "campaign_key", "model"),
    "fct_ad_performance": ("channel", "platform", "campaign_key"),
}
CHANNELS = ("Organic Search", "Direct", "Paid Search", "Email")


class World:
    """`truth.<mart>` is what the sources hold, `marts.<mart>` what was loaded of it. `log` says what happened."""

    def __init__(self, seed: int, catalogue: Catalogue) -> None:
        self.rng, self.log = random.Random(seed), [f"seed {seed}"]
        self.warehouse = big_warehouse(LAST, DAYS, 150, 80, models=2, campaigns=2, seed=self.rng.random())
        self.connection = self.warehouse.connection
        self.first_day, self.loaded_to = self.warehouse.first_day, self.warehouse.first_day
        self.catalogue = self.whole_catalogue = catalogue
        asked = {name for cut in catalogue.dimensions for line in catalogue.lines(cut) for name in line.measures}
        # what happens, happens to marts that these KPIs are made of
        self.marts = sorted({f"fct_{catalogue.measures[name].semantic_model}" for name in asked} & {*DAY_OF})
        self.told: dict[tuple[str, date], tuple[int, list[int]]] = {}
        self.connection.execute("create schema truth")
        self.connection.execute("update marts.fct_attribution set touch_date = conversion_date - 3")
        for mart, day in DAY_OF.items():
            self.connection.execute(f"create table truth.{mart} as from marts.{mart}")
            self.connection.execute(f"delete from marts.{mart}")
            assert self.connection.execute(f"select count({day}) > 0 from truth.{mart}").fetchall() == [(True,)]
        self.connection.execute("delete from intermediate.int_source_days")
        self.connection.execute("update staging.stg_config__clock set today = ?", [LAST - timedelta(days=40)])
        self.today = LAST - timedelta(days=40)

    # ---- what is loaded ------------------------------------------------------------------------------------

    def load(self, first: date, last: date, streams: tuple[str, ...] = tuple(MARTS_OF)) -> None:
        """A backfill: these days are as the sources hold them now."""
        last = min(last, self.today - timedelta(days=1))
        if last < first:
            return
        self.log.append(f"load {first} to {last} of {len(streams)} streams")
        for stream in streams:
            for mart in MARTS_OF[stream]:
                self._bring(mart, first, last)
            self.warehouse.extract(stream, first, last, is_final=last < self.today - timedelta(days=3))

    def _bring(self, mart: str, first: date, last: date) -> None:
        days = f"{DAY_OF[mart]} between ? and ?"
        self.connection.execute(f"delete from marts.{mart} where {days}", [first, last])
        self.connection.execute(f"insert into marts.{mart} from truth.{mart} where {days}", [first, last])

    def _read_again(self, mart: str, day: date) -> None:
        """The day of a mart as the source holds it now, if it was loaded before; else a backfill brings it one day. Nothing
        else of the day changes, above all not its coverage, which has all rows made again."""
        stream = next(name for name, marts in MARTS_OF.items() if mart in marts).split("/")
        if self.connection.execute(
            "select 1 from intermediate.int_source_days where source = ? and stream = ? and date_day = ? limit 1",
            [*stream, day],
        ).fetchall():
            self._bring(mart, day, day)

    def a_backfill(self) -> None:
        first = self.first_day + timedelta(days=self.rng.randrange(DAYS - 41))
        last = first + timedelta(days=self.rng.choice([0, 1, 9, 40, 200]))
        some = self.rng.random() < 0.3
        self.load(first, last, tuple(self.rng.sample(list(MARTS_OF), 3)) if some else tuple(MARTS_OF))

    def days_pass(self) -> None:
        self.today = min(self.today + timedelta(days=self.rng.choice([1, 1, 7])), LAST)
        self.log.append(f"today {self.today}")
        self.connection.execute("update staging.stg_config__clock set today = ?", [self.today])
        self.load(self.today - timedelta(days=8), self.today)

    # ---- what sources say anew -----------------------------------------------------------------------------

    def members_swap(self) -> None:
        """Two members have each other's rows on one day: the day as a whole is what it was."""
        mart = self.rng.choice(self.marts)
        cut, days = self.rng.choice(CUTS_OF[mart]), self._days_with_rows(mart)
        if not days:
            return
        day = self.rng.choice(days)
        members = [row[0] for row in self.connection.execute(
            f"select {cut} from truth.{mart} where {DAY_OF[mart]} = ? and {cut} is not null union "
            f"select max({cut}) from truth.{mart} order by 1", [day]).fetchall()]  # fmt: skip
        if len(members) < 2 or (mart == "fct_web_visitors" and "all" in members):
            return
        one, other = self.rng.sample(members, 2)
        self.log.append(f"{mart}.{cut}: {one} and {other} swap on {day}")
        self.connection.execute(
            f"update truth.{mart} set {cut} = case {cut} when $one then $other else $one end "
            f"where {DAY_OF[mart]} = $day and {cut} in ($one, $other)",
            {"one": one, "other": other, "day": day},
        )
        self._read_again(mart, day)

    def a_day_is_told_again(self) -> None:
        """One of a few days of a mart has other rows now: all members have more or all less, alike; or they swap what they
        have; or anything else."""
        mart = self.rng.choice(self.marts)
        if mart == "fct_web_visitors":
            self.visitors_swap()
            return
        day = self.first_day + timedelta(days=30 * self.rng.randrange(1, 7))
        worth, counts = self.told.get((mart, day), (1, [1, 2, 1, 3]))
        how = self.rng.choice(["count alike", "worth alike", "swap", "anew"])
        if how == "count alike":
            counts = [count % 3 + 1 if len({*counts}) == 1 else 1 for count in counts]
        elif how == "worth alike":
            worth = worth % 9 + 1
        elif how == "swap":
            counts = [*counts[1:], counts[0]]
        else:
            worth, counts = self.rng.randint(1, 9), [self.rng.randint(0, 3) for _ in CHANNELS]
        self.told[mart, day] = worth, counts
        self.log.append(f"{mart} of {day}: {how}, now {counts} rows of {worth}")
        cut = "product" if mart in ("fct_orders", "fct_opportunities") and self.rng.random() < 0.5 else "channel"
        values = {
            "fct_web_traffic": f"{worth} as sessions, {worth // 2} as engaged_sessions",
            "fct_costs": f"{worth} as amount, {worth} as acquisition_amount, {worth % 3 == 0} as is_rate_missing",
            "fct_ad_performance": f"{9 * worth} as impressions, {worth} as clicks, {worth} as cost, {worth % 3 == 0} as is_rate_missing",
            "fct_orders": f"{worth} as amount, m.member || n as order_id, m.member as customer_id, {worth % 2 == 0} as is_new_customer, "
            f"{worth % 3 == 0} as is_rate_missing, {worth % 5 != 0} as is_amount_known",
            "fct_leads": f"{worth % 2 == 0} as is_customer",
            "fct_lead_stages": f"{worth % 2 == 0} as converted_within_window",
            "fct_opportunities": f"'{('won', 'lost', 'open')[worth % 3]}' as status, {worth} as sales_cycle_days, ?::date + 9 as closed_date",
            "fct_attribution": f"{worth} as revenue, {worth / 2} as gross_margin, {worth % 2 == 0} as is_new_customer",
        }[mart].replace("?", f"'{day}'")
        self.connection.execute(f"create or replace temp table template as from truth.{mart} limit 1")
        self.connection.execute(f"delete from truth.{mart} where {DAY_OF[mart]} = ?", [day])
        self.connection.execute(
            f"insert into truth.{mart} by name select template.* replace (m.member as {cut}, ? as {DAY_OF[mart]}, {values}) "
            "from template, (select unnest(?) as member, unnest(?) as count) as m, range(3) as t (n) where n < m.count",
            [day, list(CHANNELS), counts],
        )
        self._read_again(mart, day)

    def visitors_swap(self) -> None:
        """Members of one month change their counts, or all get the same."""
        month = (self.first_day + timedelta(days=self.rng.randrange(60, 300))).replace(day=1)
        counts = [self.rng.randint(1, 3) for _ in CHANNELS] if self.rng.random() < 0.5 else [self.rng.randint(1, 9)] * 4
        self.log.append(f"visitors of {month}: {counts}")
        for mart in ("truth.fct_web_visitors", "marts.fct_web_visitors"):
            self.connection.execute(
                f"delete from {mart} where grain = 'month' and period_start = ? and dimension = 'channel'", [month]
            )
            self.connection.executemany(
                f"insert into {mart} by name select 'month' as grain, ?::date as period_start, 'channel' as dimension, "
                "? as member, ? as unique_visitors, 'ok' as quality",
                [(month, member, count) for member, count in zip(CHANNELS, counts, strict=True)],
            )

    # ---- what the business says anew -----------------------------------------------------------------------

    def targets_move_alike(self) -> None:
        kpi, value = self.rng.choice(list(self.whole_catalogue.kpis)), self.rng.randint(1, 9)
        self.log.append(f"targets of {kpi}: {value} for every month and for {CHANNELS[:2]}")
        targets = "staging.stg_config__targets"
        self.connection.execute(f"delete from {targets} where kpi_id = ?", [kpi])
        for cut, member in (("total", "all"), *(("channel", name) for name in CHANNELS[:2])):
            self.connection.execute(
                f"insert into {targets} select ?, 'month', cast(? + interval (i) month as date), ?, ?, ? from range(14) as t (i)",
                [kpi, self.first_day.replace(day=1), cut, member, value],
            )

    def targets_swap(self) -> None:
        self.log.append("targets of two members swap")
        one, other = self.rng.sample(CHANNELS[:2], 2)
        self.connection.execute(
            "update staging.stg_config__targets set member = case member when $one then $other else $one end, "
            "target = target + case member when $one then 1 else 0 end where member in ($one, $other)",
            {"one": one, "other": other},
        )

    def settings_change(self) -> None:
        name, value = self.rng.choice([
            ("maturity_to_date_days", self.rng.randrange(30, 300)),
            ("reporting_week_start", self.rng.choice([0, 5, 6])),
            ("reporting_fiscal_year_start_month", self.rng.choice([1, 2, 4])),
            ("attribution_models_day", self.rng.choice(["last", "all", "model0", "model1"])),
            ("attribution_models_year", self.rng.choice(["last", "all", "model0"])),
        ])  # fmt: skip
        self.log.append(f"{name} = {value}")
        self.connection.execute(f"update staging.stg_config__settings set {name} = ?", [value])

    def definitions_change(self) -> None:
        """A KPI goes, comes back, loses a cut or is of another version or direction."""
        kpis = dict(self.whole_catalogue.kpis)
        changed = self.rng.choice(list(kpis))
        kpi = kpis[changed]
        what = self.rng.choice(["gone", "cut", "version", "direction"])
        self.log.append(f"definition of {changed}: {what}; the others as they were")
        if what == "gone" and len(kpis) > 1:
            del kpis[changed]
        elif what == "cut":
            kpis[changed] = replace(kpi, meta={**kpi.meta, "cuts": kpi.cuts[:-1]})
        elif what == "version":
            kpis[changed] = replace(kpi, meta={**kpi.meta, "version": self.rng.randint(2, 99)})
        elif what == "direction":
            kpis[changed] = replace(
                kpi, meta={**kpi.meta, "direction": self.rng.choice(["higher", "lower", "context"])}
            )
        self.catalogue = replace(self.whole_catalogue, kpis=kpis)

    def sources_have_trouble(self) -> None:
        stream, day = self.rng.choice(list(MARTS_OF)), self.first_day + timedelta(days=self.rng.randrange(DAYS - 41))
        how = self.rng.choice([{"quality": "sampled"}, {"is_final": False}, {"is_extracted": False}])
        self.log.append(f"{stream} of {day} and the day after: {how}")
        self.warehouse.extract(stream, day, day + timedelta(days=1), **how)

    def go_on(self) -> None:
        """What lies between two builds: many days are told anew, and sometimes something happens that has most rows
        made again (which would hide a day that was missed)."""
        for _ in range(self.rng.randint(6, 12)):
            self.rng.choice([self.members_swap, self.a_day_is_told_again, self.a_day_is_told_again])()
        if self.rng.random() < 0.4:
            self.rng.choice([
                self.a_backfill, self.a_backfill, self.days_pass, self.days_pass, self.visitors_swap, self.targets_move_alike,
                self.targets_move_alike, self.targets_move_alike, self.targets_swap,
                self.settings_change, self.definitions_change, self.sources_have_trouble,
            ])()  # fmt: skip

    def _days_with_rows(self, mart: str) -> list[date]:
        days = self.connection.execute(
            f"select distinct {DAY_OF[mart]} from truth.{mart} where {DAY_OF[mart]} < ? order by 1", [self.today]
        ).fetchall()
        return [day for (day,) in days]
