"""Evidence and ids joined to groups that are one person each (dagster_project/identity_graph.py)."""

from dagster_project.warehouse.people import join_people


def model(dbt, session):
    dbt.config(materialized="table")
    evidence = dbt.ref("int_identity_evidence").filter("quarantined_for is null")
    return join_people(evidence.to_arrow_table())
