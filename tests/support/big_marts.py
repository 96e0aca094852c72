"""Marts of a company with years of history, invented by DuckDB: for benchmarks and for checks on volume."""

from __future__ import annotations

from datetime import date, timedelta

from tests.support.kpi_warehouse import Warehouse


def big_warehouse(
    today: date, days: int, sessions: int, leads: int, models: int = 1, campaigns: int = 80, seed: float = 0.42
) -> Warehouse:
    """A warehouse over `days` days until yesterday: one traffic row per session, the long tails that real sites have."""
    warehouse = Warehouse(today, today - timedelta(days), extracted_to=today - timedelta(1))
    connection = warehouse.connection
    connection.execute("select setseed(?)", [seed])
    cuts = """
        ['Organic Search', 'Direct', 'Paid Search', 'Referral', 'Organic Social', 'Paid Social', 'Email', 'Display',
         'Cross-network', 'Unassigned'][1 + least((r.a * r.a * 10)::integer, 9)] as channel,
        'source' || (r.b * r.b * 60)::integer as source,
        'medium' || (r.b * 8)::integer as medium,
        'campaign' || (r.c * r.c * 150)::integer as campaign_key"""
    more = """
        ['mobile', 'desktop', 'tablet'][1 + least((r.d * 3)::integer, 2)] as device,
        'C' || (r.e * r.e * r.e * 40)::integer as country,
        '/page/' || (r.f * r.f * r.f * 500)::integer as landing_page"""
    lead_cuts = f"{cuts}, {more}, 'form' || (r.a * 9)::integer as form, (r.b * 12)::integer::varchar as sales_rep"
    day = f"date '{warehouse.first_day}' + least((r.g * {days})::integer, {days - 1})"

    def random_rows(count: int) -> str:
        return (
            "(select i, random() as a, random() as b, random() as c, random() as d, random() as e, random() as f, "
            f"random() as g, random() as h from range({count}) as t(i)) as r"
        )

    connection.execute(
        f"insert into marts.fct_web_traffic by name select {day} as date_day, {cuts}, {more}, 1 as sessions, "
        f"(r.h < 0.6)::integer as engaged_sessions from {random_rows(sessions)}"
    )
    connection.execute(
        "insert into marts.dim_campaign by name select 'campaign' || i as campaign_key, 'Campaign ' || i as campaign_name from range(151) t(i)"
    )
    connection.execute(
        f"insert into marts.fct_leads by name select i::varchar as lead_id, {day} as lead_date, {lead_cuts}, r.h < 0.08 as is_customer from {random_rows(leads)}"
    )
    connection.execute(
        """
        insert into marts.fct_lead_stages by name
        select leads.* exclude (lead_date, is_customer), stage, lead_date + step * 5 as reached_date, 30 as conversion_window_days,
            ['lead>mql', 'mql>sal', 'sal>sql', 'sql>opportunity', 'opportunity>won'][step + 1] as transition,
            hash(lead_id) % 6 > step as converted_within_window
        from marts.fct_leads as leads,
            (select unnest(['lead', 'mql', 'sal', 'sql', 'opportunity']) as stage, unnest([0, 1, 2, 3, 4]) as step)
        where hash(lead_id) % 6 >= step
        """
    )
    connection.execute(
        """
        insert into marts.fct_opportunities by name
        select leads.* exclude (lead_date, is_customer, lead_id), lead_id as deal_id, lead_date + 20 as created_date,
            'product' || hash(lead_id) % 5 as product, case when is_customer then 'won' when hash(lead_id) % 3 = 0 then 'lost' else 'open' end as status,
            case when is_customer or hash(lead_id) % 3 = 0 then lead_date + 50 end as closed_date, (hash(lead_id) % 600) / 10 as sales_cycle_days
        from marts.fct_leads as leads where hash(lead_id) % 4 = 0
        """
    )
    connection.execute(
        """
        insert into marts.fct_orders by name
        select leads.* exclude (lead_date, is_customer, lead_id), lead_id || '-' || i as order_id, lead_id as customer_id, lead_date + 50 + i::integer * 60 as order_date,
            'order' as kind, (hash(lead_id) % 100000) / 100 as amount, true as is_amount_known, false as is_rate_missing, i = 0 as is_new_customer,
            'product' || hash(lead_id) % 5 as product
        from marts.fct_leads as leads, range(3) t(i) where is_customer
        """
    )
    connection.execute(
        f"""
        insert into marts.fct_attribution by name
        select channel, source, medium, campaign_key, 'order' as conversion_type, order_id as conversion_id, 'model' || m as model, m = 0 as is_default_model,
            'inbound' as motion, order_date as conversion_date, 1.0 as credit, amount as revenue, amount * 0.6 as gross_margin, is_new_customer, is_rate_missing, is_amount_known
        from marts.fct_orders, range({models}) t(m)
        """
    )
    connection.execute(
        f"""
        insert into marts.fct_costs by name
        select (date '{warehouse.first_day}' + d::integer) as date_day, 'platform' || c % 3 as platform, 'media' as cost_type, 'outbound' as motion,
            ['Paid Search', 'Paid Social', 'Display', 'Cross-network'][1 + c % 4] as channel, 'source' || c % 5 as source, 'medium1' as medium,
            'campaign' || c as campaign_key, (hash(c * 1000 + d) % 5000) / 100 as amount, amount as acquisition_amount, false as is_rate_missing
        from range({days}) t(d), range({campaigns}) u(c)
        """
    )
    connection.execute(
        """
        insert into marts.fct_ad_performance by name
        select date_day, platform, channel, source, medium, campaign_key, cast(100 * amount as bigint) as impressions,
            cast(amount as bigint) as clicks, amount as cost, is_rate_missing, amount / 10 as platform_conversions,
            2 * amount as platform_conversions_value_native, 2 * amount as platform_conversions_value
        from marts.fct_costs
        """
    )
    connection.execute(
        """
        insert into marts.fct_web_visitors by name
        select 'day' as grain, date_day as period_start, 'total' as dimension, 'all' as member, sum(sessions) as unique_visitors, 'ok' as quality
        from marts.fct_web_traffic group by all
        """
    )
    warehouse.settle()
    return warehouse
