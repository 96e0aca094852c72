"""Removal effects of every Markov fit, by exact linear solve: the one step of attribution that is no SQL."""

import pyarrow as pa

from dagster_project.warehouse.markov import removal_effects

EFFECTS = pa.schema(
    [
        ("conversion_type", pa.string()),
        ("fit_month", pa.date32()),
        ("channel", pa.string()),
        ("removal_effect", pa.float64()),
        ("removal_effect_value", pa.float64()),
        ("conversions", pa.float64()),
        ("value", pa.float64()),
    ]
)


def model(dbt, session):
    """Columns of EFFECTS, one row for each channel of each fit in int_markov_transitions."""
    dbt.config(materialized="table")
    # in one order always, so that sums of fractions come out the same to the last digit
    transitions = dbt.ref("int_markov_transitions").order("conversion_type, fit_month, from_state, to_state")
    fits = {}
    for row in transitions.to_arrow_table().to_pylist():
        fits.setdefault((row["conversion_type"], row["fit_month"]), []).append(row)
    solved = [EFFECTS.empty_table()]
    for (conversion_type, fit_month), rows in fits.items():
        effects = removal_effects(
            *([row[name] for row in rows] for name in ("from_state", "to_state", "transitions", "value"))
        )
        size = effects.num_rows
        solved.append(
            effects.add_column(0, "fit_month", pa.repeat(pa.scalar(fit_month, pa.date32()), size))
            .add_column(0, "conversion_type", pa.repeat(conversion_type, size))
            .select(EFFECTS.names)
        )
    return pa.concat_tables(solved)
