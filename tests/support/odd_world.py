"""Marts of a company whose months are odd, each in its own way: for tests of answers that are null or 0.

Every month draws how each kind of fact stands in it: not there, there, or odd (without an exchange rate, with an amount of 0,
an unknown one, a refund larger than the orders, a deal without a day ...). Drawn by seed, with one company per seed.
"""

from __future__ import annotations

import random
from datetime import date
from functools import partial

from tests.support.kpi_warehouse import Warehouse

TODAY, FIRST_DAY = date(2026, 10, 1), date(2026, 1, 1)
CHANNELS = ("Paid Search", "Display", "Email", "Organic Search", "Organic Social")
MODELS = ("last", "linear")


def odd_world(seed: int, *, sal: bool) -> Warehouse:
    """January to September 2026; the default attribution model is `last`. `sal`: whether a CRM stage means SAL."""
    warehouse, draw = Warehouse(TODAY, FIRST_DAY), random.Random(seed)
    if not sal:
        warehouse.feed("hubspot/contacts", "leads", "mql", "sql", "won")
        warehouse.extract("hubspot/contacts", FIRST_DAY, TODAY)
    for month in range(1, 10):
        moods = {kind: draw.choice(("none", "there", "there", "odd")) for kind in _FILL}
        if month == 2 + seed % 3:
            moods = dict.fromkeys(moods, "none")  # a month in which nothing at all was there
        for kind, fill in _FILL.items():
            if moods[kind] != "none":
                for _ in range(draw.randint(1, 5)):
                    fill(warehouse, draw, month, moods[kind] == "odd")
    _count_visitors(warehouse, draw)
    _count_customers(warehouse, draw)
    _pay_back(warehouse, draw)
    return warehouse


def _day(draw: random.Random, month: int) -> date:
    return date(2026, month, draw.randint(1, 28))


def _web(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    warehouse.add(
        "marts.fct_web_traffic",
        date_day=_day(draw, month),
        channel=draw.choice(CHANNELS),
        device=draw.choice(("mobile", "desktop")),
        sessions=0 if odd else draw.randint(1, 90),
        engaged_sessions=0,
        sessions_with_key_event=0 if odd else 1,
    )


def _crm(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    lead, channel, day = f"{month}-{draw.random()}", draw.choice(CHANNELS), _day(draw, month)
    warehouse.add("marts.fct_leads", lead_id=lead, lead_date=day, channel=channel, is_customer=draw.random() < 0.3)
    for stage, transition in (("lead", "lead>mql"), ("mql", None), ("sql", "sql>opportunity"))[: draw.randint(1, 3)]:
        warehouse.add(
            "marts.fct_lead_stages",
            lead_id=lead,
            stage=stage,
            transition=None if odd else transition,
            reached_date=day,
            converted_within_window=draw.random() < 0.4,
            conversion_window_days=draw.choice((5, 30)),
            channel=channel,
        )


def _deals(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    status, day = draw.choice(("won", "lost", "open")), _day(draw, month)
    warehouse.add(
        "marts.fct_opportunities",
        deal_id=f"{month}-{draw.random()}",
        created_date=day,
        closed_date=None if odd or status == "open" else day,  # a won deal without a day is in no period
        status=status,
        sales_cycle_days=draw.choice((None, 0.0, 12.5, 40.0)),
        channel=draw.choice(CHANNELS),
        amount=None if odd else draw.choice((None, 50, 900)),
        is_rate_missing=odd and draw.random() < 0.3,
    )


def _pipeline(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    """A day on which deals were open, or (odd) none was, or their amounts are not known."""
    why = draw.choice(("none open", "no rate", "no amount")) if odd else ""
    deals = None if why == "none open" else draw.randint(1, 3)
    warehouse.add(
        "marts.fct_pipeline_days",
        date_day=_day(draw, month),
        channel=draw.choice(CHANNELS),
        open_deals=deals,
        valued_deals=deals if not why else None if why == "none open" else 0,
        unconverted_deals=deals if why == "no rate" else 0,
        amount=None if why else draw.randint(0, 900),
    )


def _orders(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    """An order or refund, and the credit for it by each model."""
    why = draw.choice(("no rate", "unknown", "refund", "no margin", "zero")) if odd else ""
    amount = {"no rate": None, "unknown": None, "refund": -900, "zero": 0}.get(why, draw.randint(1, 500))
    day, order, channel = _day(draw, month), f"{month}-{draw.random()}", draw.choice(("(unattributed)", *CHANNELS))
    is_new, is_known = why != "refund" and draw.random() < 0.5, why not in ("unknown", "refund")
    warehouse.add(
        "marts.fct_orders",
        order_id=order,
        customer_id=str(draw.randint(1, 4)),
        order_date=day,
        kind="refund" if why == "refund" else "order",
        amount=amount,
        is_amount_known=why != "unknown",
        is_rate_missing=why == "no rate",
        is_new_customer=is_new,
    )
    for model, touched in (("last", [channel]), ("linear", [channel, "Email"])):
        for one in touched:
            warehouse.add(
                "marts.fct_attribution",
                conversion_id=order,
                conversion_date=day,
                touch_date=None if one == "(unattributed)" else date(2026, max(month - draw.randint(0, 1), 1), 3),
                channel=one,
                model=model,
                is_default_model=model == "last",
                credit=0 if why == "refund" else 1 / len(touched),
                revenue=None if amount is None else amount / len(touched),
                gross_margin=None if amount is None or why == "no margin" else amount / len(touched) / 2,
                is_amount_known=is_known,
                is_new_customer=is_new,
                is_rate_missing=why == "no rate",
            )


def _customers(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    why = draw.choice(("no rate", "no margin", "never")) if odd else ""
    warehouse.add(
        "marts.dim_customer",
        customer_id=f"{month}-{draw.random()}",
        first_order_date=None if why == "never" else _day(draw, month),
        channel=draw.choice(CHANNELS),
        gross_profit_to_date=None if why in ("no rate", "no margin") else draw.randint(-50, 500),
        is_rate_missing=why == "no rate",
    )


def _costs(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    why = draw.choice(("no rate", "zero", "labour")) if odd else ""
    amount = {"no rate": None, "zero": 0}.get(why, draw.randint(1, 300))
    warehouse.add(
        "marts.fct_costs",
        date_day=_day(draw, month),
        channel="(not set)" if why == "labour" else draw.choice(CHANNELS[:2]),
        cost_type="labour" if why == "labour" else "media",
        amount=amount,
        acquisition_amount=amount,
        is_rate_missing=why == "no rate",
    )


def _ads(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    why = draw.choice(("no rate", "zero", "not shown", "no clicks", "no conversions")) if odd else ""
    amount = {"no rate": None, "zero": 0}.get(why, draw.randint(1, 300))
    value = None if why in ("no rate", "no conversions") else draw.randint(0, 900)
    warehouse.add(
        "marts.fct_ad_performance",
        date_day=_day(draw, month),
        channel=draw.choice(CHANNELS[:2]),
        platform=draw.choice(("google_ads", "meta_ads")),
        impressions=None if why == "not shown" else draw.randint(0, 500),
        clicks=None if why == "no clicks" else draw.randint(0, 50),
        cost=amount,
        is_rate_missing=why == "no rate",
        platform_conversions=None if why == "no conversions" else draw.randint(0, 3),
        platform_conversions_value_native=draw.randint(1, 900) if why == "no rate" else value,
        platform_conversions_value=value,
    )


def _count_visitors(warehouse: Warehouse, draw: random.Random) -> None:
    """Counts of January to September less one month, and of the year, in total and by channel."""
    uncounted = draw.randint(1, 9)
    starts = [("month", date(2026, month, 1)) for month in range(1, 10) if month != uncounted]
    for grain, start in [*starts, ("year", date(2026, 1, 1))]:
        for dimension, member in (("total", "all"), ("channel", "Email"), ("channel", "Display")):
            warehouse.add(
                "marts.fct_web_visitors",
                grain=grain,
                period_start=start,
                dimension=dimension,
                member=member,
                unique_visitors=draw.randint(0, 99),
                quality="ok",
            )


def _count_customers(warehouse: Warehouse, draw: random.Random) -> None:
    """Customers from end to end of January to September less one month, and of the year; some months are odd."""
    uncounted = draw.randint(1, 9)
    starts = [("month", date(2026, month, 1)) for month in range(1, 10) if month != uncounted]
    for grain, start in [*starts, ("year", date(2026, 1, 1))]:
        for dimension, member in (("total", "all"), ("channel", "Email"), ("channel", "Display")):
            why, at_start = draw.choice(("", "", "", "no rate", "nothing paid")), draw.randint(1, 9)
            paid, expansion = 0 if why == "nothing paid" else draw.randint(1, 900), draw.randint(0, 90)
            money = {
                "revenue_at_start": paid,
                "revenue_at_end": draw.randint(0, paid) + expansion,
                "expansion": expansion,
            }
            warehouse.add(
                "marts.fct_customer_retention",
                grain=grain,
                period_start=start,
                dimension=dimension,
                member=member,
                customers_at_start=at_start,
                customers_kept=draw.randint(0, at_start),
                **{} if why == "no rate" else money,
                unconverted_customers=1 if why == "no rate" else 0,
                quality="ok",
            )


def _pay_back(warehouse: Warehouse, draw: random.Random) -> None:
    """Cohorts of January to September in total and of one channel, each with two months of age; some are odd."""
    for month in range(1, 10):
        for dimension, member in (("total", "all"),):
            why = draw.choice(("", "", "not yet", "no rate", "no cost", "no ledger", "nobody"))
            for age in (0, 1):
                warehouse.add(
                    "marts.fct_customer_cohorts",
                    cohort_month=date(2026, month, 1),
                    dimension=dimension,
                    member=member,
                    age_months=age,
                    customers=0 if why == "nobody" else draw.randint(1, 9),
                    loaded_cost={"no rate": None, "no cost": 0}.get(why, draw.randint(1, 900)),
                    is_cost_complete=why != "no ledger",
                    payback_months=None if why else draw.randint(0, 9),
                )


def _mail(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    why = draw.choice(("no bounces", "none delivered", "no opens", "no clicks")) if odd else ""
    warehouse.add(
        "marts.fct_email_campaigns",
        date_day=_day(draw, month),
        platform=draw.choice(("mailchimp", "mailer")),
        emails_sent=draw.randint(1, 900),
        emails_delivered={"no bounces": None, "none delivered": 0}.get(why, draw.randint(1, 900)),
        unique_opens_less_proxies=None if why == "no opens" else draw.randint(0, 90),
        unique_clicks=None if why == "no clicks" else draw.randint(0, 30),
        unsubscribes=draw.randint(0, 3),
    )


def _surveys(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    """A respondent with several answers; odd: nobody has said what the brand is, and no score is inside of its scale."""
    who = {
        "answer_date": _day(draw, month),
        "source_system": "typeform",
        "account_id": "f",
        "form_id": draw.choice("fg"),
    }
    who["response_id"] = f"{month}-{draw.random()}"
    add = partial(warehouse.add, "marts.fct_survey_answers", **who)
    add(kind="nps", nps_group=None if odd else draw.choice(("promoter", "passive", "detractor")))
    for item in range(draw.randint(1, 3)):
        add(kind="loyalty", loyalty_points=None if odd and item else draw.choice((0.0, 25.0, 100.0)))
    for kind in ("awareness_unaided", "awareness_aided", "awareness_aided"):
        add(kind=kind, answer_text="shops", names_brand=None if odd else draw.random() < 0.5)


def _social(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    """An account is looked at, or (odd) only said who came."""
    before = draw.choice((None, 0, 90))
    warehouse.add(
        "marts.fct_social_followers",
        date_day=date(2026, month, 1 + int(28 * draw.random())),
        network=draw.choice(("telegram", "x")),
        account_id=f"{draw.random()}",
        followers=None if odd else draw.randint(0, 99),
        previous_followers=None if odd else before,
        followers_change=None if odd or before is None else draw.randint(-9, 9),
    )


def _search(warehouse: Warehouse, draw: random.Random, month: int, odd: bool) -> None:
    """A named query, of the brand or not, or what is withheld; odd: nobody has said what the brand is."""
    is_withheld = draw.random() < 0.3
    warehouse.add(
        "marts.fct_search_queries",
        date_day=_day(draw, month),
        search_type=draw.choice(("web", "web", "image")),
        device=draw.choice(("mobile", "desktop")),
        is_withheld=is_withheld,
        is_brand=None if odd or is_withheld else draw.random() < 0.5,
        clicks=draw.randint(0, 3),
        impressions=draw.randint(0, 90),
        position_sum=draw.randint(0, 900),
    )


_FILL = {
    "web": _web,
    "crm": _crm,
    "deals": _deals,
    "orders": _orders,
    "costs": _costs,
    "ads": _ads,
    "mail": _mail,
    "surveys": _surveys,
    "pipeline": _pipeline,
    "social": _social,
    "search": _search,
}
