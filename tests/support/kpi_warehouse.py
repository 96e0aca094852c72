"""A warehouse made by hand: the marts and the few other tables that KPIs read, empty, and helpers to fill them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb

CUTS = "channel varchar, source varchar, medium varchar, campaign_key varchar"
LEAD_CUTS = f"{CUTS}, device varchar, country varchar, landing_page varchar, form varchar, sales_rep varchar"
TABLES = {
    "staging.stg_config__clock": "today date",
    "staging.stg_config__settings": (
        "reporting_week_start integer, reporting_fiscal_year_start_month integer, reporting_currency varchar, "
        "attribution_default_model varchar, attribution_models_day varchar, attribution_models_week varchar, "
        "attribution_models_month varchar, attribution_models_quarter varchar, attribution_models_year varchar, "
        "maturity_to_date_days integer"
    ),
    "staging.stg_config__stage_map": "crm varchar, object varchar, pipeline varchar, stage_value varchar, stage varchar",
    "staging.stg_config__targets": (
        "kpi_id varchar, grain varchar, period_start date, dimension varchar, member varchar, target double"
    ),
    "staging.stg_meta__streams": (
        "source varchar, stream varchar, domain varchar, kind varchar, first_day date, last_day date, checked_on date, "
        "is_on boolean, is_stale boolean, settles_after_days integer"
    ),
    "staging.stg_meta__subjects": "source varchar, stream varchar, part varchar, entry integer, subject varchar, decides boolean",
    "staging.stg_meta__days": (
        "source varchar, stream varchar, domain varchar, kind varchar, period varchar, content_hash varchar, "
        "date_day date, checked_on date, rows bigint, restate_days integer, extracted_at timestamptz"
    ),
    "staging.stg_meta__refusals": "source varchar, stream varchar, date_day date, rows bigint, cells bigint",
    "intermediate.int_source_subjects": "source varchar, stream varchar, part varchar, subject varchar",
    "intermediate.int_source_days": (
        "source varchar, stream varchar, part varchar, subject varchar, date_day date, has_begun boolean, is_extracted boolean, "
        "is_final boolean, quality varchar"
    ),
    "intermediate.int_record_flags": "subject varchar, flag varchar, date_day date, flagged bigint, total bigint",
    "marts.fct_web_traffic": (
        f"date_day date, {CUTS}, landing_page varchar, device varchar, country varchar, sessions bigint, engaged_sessions bigint, sessions_with_key_event bigint"
    ),
    "marts.fct_web_visitors": (
        "grain varchar, period_start date, dimension varchar, member varchar, unique_visitors bigint, quality varchar"
    ),
    "marts.dim_customer": (
        f"customer_id varchar, first_order_date date, {CUTS}, country varchar, gross_profit_to_date decimal(24, 6), "
        "is_rate_missing boolean"
    ),
    "marts.fct_customer_cohorts": (
        "cohort_month date, dimension varchar, member varchar, age_months integer, customers bigint, loaded_cost decimal(24, 6), "
        "is_cost_complete boolean, payback_months integer"
    ),
    "marts.fct_customer_retention": (
        "grain varchar, period_start date, dimension varchar, member varchar, customers_at_start bigint, customers_kept bigint, "
        "revenue_at_start decimal(24, 6), revenue_at_end decimal(24, 6), expansion decimal(24, 6), unconverted_customers bigint, "
        "quality varchar"
    ),
    "marts.fct_leads": f"lead_id varchar, lead_date date, {LEAD_CUTS}, is_customer boolean",
    "marts.fct_lead_stages": (
        f"lead_id varchar, stage varchar, reached_date date, transition varchar, converted_within_window boolean, "
        f"conversion_window_days integer, is_window_over boolean, is_sal_mapped boolean, {LEAD_CUTS}"
    ),
    "marts.fct_opportunities": (
        f"deal_id varchar, created_date date, closed_date date, status varchar, sales_cycle_days double, amount decimal(24, 6), is_rate_missing boolean, product varchar, {LEAD_CUTS}"
    ),
    "marts.fct_pipeline_days": (
        "date_day date, sales_rep varchar, channel varchar, open_deals bigint, valued_deals bigint, unconverted_deals bigint, "
        "amount decimal(24, 6)"
    ),
    "marts.fct_orders": (
        f"order_id varchar, customer_id varchar, order_date date, kind varchar, amount decimal(24, 6), is_amount_known boolean, "
        f"is_rate_missing boolean, is_new_customer boolean, is_repurchased_in_time boolean, repeat_purchase_days integer, is_repeat_window_over boolean, product varchar, {LEAD_CUTS}"
    ),
    "marts.fct_costs": (
        f"date_day date, platform varchar, cost_type varchar, motion varchar, {CUTS}, amount decimal(24, 6), "
        "acquisition_amount decimal(24, 6), is_rate_missing boolean, is_revenue_read boolean"
    ),
    "marts.fct_ad_performance": (
        f"date_day date, platform varchar, {CUTS}, impressions bigint, clicks bigint, cost decimal(24, 6), is_rate_missing boolean, "
        "platform_conversions decimal(24, 6), platform_conversions_value_native decimal(24, 6), platform_conversions_value decimal(24, 6)"
    ),
    "marts.fct_email_campaigns": (
        "date_day date, platform varchar, emails_sent bigint, emails_delivered bigint, unique_opens_less_proxies bigint, "
        "unique_clicks bigint, unsubscribes bigint"
    ),
    "marts.fct_survey_answers": (
        "answer_date date, source_system varchar, account_id varchar, form_id varchar, response_id varchar, kind varchar, "
        "answer_text varchar, nps_group varchar, loyalty_points double, names_brand boolean"
    ),
    "marts.fct_social_followers": (
        "date_day date, network varchar, account_id varchar, followers bigint, previous_followers bigint, followers_change bigint"
    ),
    "marts.fct_search_queries": (
        "date_day date, engine varchar, search_type varchar, query varchar, device varchar, is_brand boolean, is_withheld boolean, "
        "clicks bigint, impressions bigint, position_sum decimal(24, 6)"
    ),
    "marts.fct_attribution": (
        f"conversion_type varchar, conversion_id varchar, model varchar, is_default_model boolean, is_amount_known boolean, {CUTS}, motion varchar, "
        "touch_date date, conversion_date date, credit decimal(18, 12), revenue decimal(24, 6), gross_margin decimal(24, 6), is_new_customer boolean, "
        "is_rate_missing boolean, has_media_cost boolean, is_spend_read boolean"
    ),
    "marts.dim_channel": (
        "channel varchar, is_paid boolean, is_organic boolean, is_social boolean, channel_order integer, has_media_cost boolean"
    ),
    "marts.dim_campaign": "campaign_key varchar, platform varchar, campaign_id varchar, campaign_name varchar, channel_type varchar",
    "marts.dim_sales_rep": "sales_rep varchar, sales_rep_name varchar, is_archived boolean",
    "marts.dim_landing_page": "landing_page varchar",
    "marts.dim_date": "date_day date",
}
# streams that a company usually has, and what each feeds
USUAL = {
    "ga4/traffic": ("web", "web.origin", "web.engagement", "web.device"),
    "ga4/visitors_day": ("visitors",),
    "ga4/key_events": ("goals",),
    "hubspot/contacts": ("leads", "mql", "sal", "sql", "won"),
    "hubspot/deals": ("deals", "deals.creation", "deals.close", "orders", "orders.amount"),
    "google_ads/campaign_performance": ("media", "cost", "ads", "ads.impressions", "ads.clicks", "ad_conversions"),
    "mailchimp/campaigns": ("mail", "mail.deliveries", "mail.opens", "mail.clicks", "mail.unsubscribes"),
    "typeform/answers": ("surveys",),
    "telegram/members": ("followers",),
    "google_search_console/totals": ("search",),
    "config/ledger": ("media", "cost"),
    "fx/rates": ("rates",),
}
# what a mart holds where nothing is known
UNKNOWN = {
    **dict.fromkeys(("source", "medium", "campaign_key", "device", "country", "landing_page", "form", "sales_rep", "product", "platform"), "(not set)"),
    "channel": "Unassigned",
}  # fmt: skip
DEFAULTS: dict[str, dict[str, Any]] = {
    "marts.fct_leads": {"is_customer": False},
    "marts.fct_lead_stages": {"converted_within_window": False, "conversion_window_days": 30},
    "marts.fct_opportunities": {"is_rate_missing": False},
    "marts.fct_orders": {"kind": "order", "is_amount_known": True, "is_rate_missing": False, "is_new_customer": False},
    "marts.fct_customer_cohorts": {"dimension": "total", "member": "all", "age_months": 0, "is_cost_complete": True},
    "marts.dim_customer": {"is_rate_missing": False},
    "marts.fct_costs": {"cost_type": "media", "motion": "outbound", "is_rate_missing": False},
    "marts.fct_ad_performance": {"is_rate_missing": False},
    "marts.fct_attribution": {
        "conversion_type": "order", "model": "last", "is_default_model": True, "is_amount_known": True, "credit": 1.0, "is_new_customer": False,
        "is_rate_missing": False, "motion": "inbound",
    },
}  # fmt: skip


class Warehouse:
    """An in-memory warehouse whose clock stands at `today`, with all sources extracted from `first_day` on."""

    def __init__(self, today: date, first_day: date, *, extracted_to: date | None = None, **settings: Any) -> None:
        # on tables as small as these a second thread costs more than it does: twice the CPU seconds of a build
        self.connection = duckdb.connect(config={"threads": 1})
        self.today, self.first_day = today, first_day
        for schema in ("staging", "intermediate", "marts"):
            self.connection.execute(f"create schema {schema}")
        for name, columns in TABLES.items():
            self.connection.execute(f"create table {name} ({columns})")
        self.add(
            "staging.stg_config__settings",
            **{
                "reporting_week_start": 0,
                "reporting_fiscal_year_start_month": 1,
                "reporting_currency": "EUR",
                "attribution_default_model": "last",
                **{f"attribution_models_{grain}": "last" for grain in ("day", "week")},
                **{f"attribution_models_{grain}": "all" for grain in ("month", "quarter", "year")},
                "maturity_to_date_days": 180,
                **settings,
            },
        )
        self.add("staging.stg_config__clock", today=today)
        for stream in USUAL:
            self.extract(stream, first_day, extracted_to or today)

    def feed(self, stream: str, *subjects: str) -> None:
        """The stream (`source/name`, or `source/name:part`) feeds exactly these subjects, on no day yet."""
        key = self._key(stream)
        self.switch_off(stream)
        for subject in subjects:
            self.connection.execute("insert into intermediate.int_source_subjects values (?, ?, ?, ?)", [*key, subject])

    def extract(self, stream: str, first: date, last: date, **columns: Any) -> None:
        """State these days of a stream anew, in all subjects that it feeds."""
        key = self._key(stream)
        where = "source = ? and stream = ? and part = ?"
        if not self.connection.execute(f"from intermediate.int_source_subjects where {where}", key).fetchall():
            self.feed(stream, *USUAL[stream])
        self.connection.execute(
            f"delete from intermediate.int_source_days where {where} and date_day between ? and ?", [*key, first, last]
        )
        row = {"has_begun": True, "is_extracted": True, "is_final": True, "quality": "ok", **columns}
        self.connection.execute(
            "insert into intermediate.int_source_days by name select source, stream, part, subject, cast(d as date) as date_day, "
            "? as has_begun, ? as is_extracted, ? as is_final, ? as quality from intermediate.int_source_subjects, "
            f"generate_series(?::date, ?::date, interval 1 day) as days (d) where {where}",
            [*row.values(), first, last, *key],
        )

    def switch_off(self, *streams: str) -> None:
        for stream in streams:
            for table in ("int_source_days", "int_source_subjects"):
                self.connection.execute(
                    f"delete from intermediate.{table} where source = ? and stream = ? and part = ?", self._key(stream)
                )

    @staticmethod
    def _key(stream: str) -> list[str]:
        source, _, rest = stream.partition("/")
        name, _, part = rest.partition(":")
        return [source, name, part]

    def add(self, table: str, times: int = 1, **columns: Any) -> None:
        """Insert a row (`times` equal rows); columns not named take what the mart holds where nothing is known."""
        names = re.findall(r"(\w+) \w+(?:\([^)]*\))?(?:, |$)", TABLES[table])
        if missing := set(columns) - set(names):
            raise KeyError(f"{table} has no column {missing}")
        row = {**{n: UNKNOWN.get(n) for n in names}, **DEFAULTS.get(table, {}), **columns}
        placeholders = ", ".join("?" * len(names))
        self.connection.execute(
            f"insert into {table} select {placeholders} from range({times})", [row[n] for n in names]
        )

    def settle(self) -> None:
        """Fill what marts know of each other and of today: channels with media cost, windows that are over, SAL mapped."""
        self.connection.execute(
            """
            update marts.fct_attribution set has_media_cost = channel in (
                select channel from marts.fct_costs where cost_type = 'media' and (amount <> 0 or is_rate_missing)
            ), is_spend_read = conversion_date in (
                select date_day from intermediate.int_source_days where subject = 'media' and is_extracted
            );
            update marts.fct_costs set is_revenue_read = exists (
                from intermediate.int_source_subjects where subject = 'orders'
            );
            update marts.fct_orders set
                repeat_purchase_days = 90, is_repurchased_in_time = coalesce(is_repurchased_in_time, false),
                is_repeat_window_over = order_date + 90 < (select today from staging.stg_config__clock)
            where is_new_customer;
            update marts.fct_lead_stages set
                is_window_over = reached_date + conversion_window_days < (select today from staging.stg_config__clock),
                is_sal_mapped = exists (from intermediate.int_source_subjects where subject = 'sal');
            """
        )

    def rows(self, grain_table: str, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
        return self.connection.execute(
            f"select {columns} from kpi.fct_kpi_{grain_table} where {where} order by kpi_id, dimension, member, attribution_model, period_start"
        ).fetchall()

    def row(
        self,
        grain_table: str,
        kpi_id: str,
        period_start: str,
        dimension: str = "total",
        member: str = "all",
        model: str | None = None,
    ) -> Mapping[str, Any]:
        """The one row of a KPI, as a mapping."""
        cursor = self.connection.execute(
            f"select * from kpi.fct_kpi_{grain_table} where kpi_id = ? and period_start = ? and dimension = ? and member = ? "
            "and (? is null or attribution_model = ?)",
            [kpi_id, period_start, dimension, member, model, model],
        )
        names = [column[0] for column in cursor.description]
        found = cursor.fetchall()
        assert len(found) == 1, f"{len(found)} rows for {kpi_id} {period_start} {dimension} {member}"
        return dict(zip(names, found[0], strict=True))
