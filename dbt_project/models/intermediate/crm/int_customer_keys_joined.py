"""Customers of files: their own ids and the e-mails and phones seen beside them, joined (dagster_project/identity_graph.py).

Whatever is seen together is one customer: of people it may be several, of a company its colleagues.
"""

from dagster_project.warehouse.people import join_people


def model(dbt, session):
    dbt.config(materialized="table")
    pairs = dbt.ref("int_customer_evidence").filter(
        "customer_key is not null and buyer_key is not null and person_id is null"
    )
    named = pairs.aggregate(
        "customer_key as evidence, 'buyer' as id_kind, buyer_key as id_value, min(seen_at) as seen_at, "
        "min(min(seen_at)) over (partition by customer_key) as evidence_at, null::bigint as record_rank",
        "customer_key, buyer_key",
    )
    return join_people(named.to_arrow_table())
