"""Rows that the business writes itself, in funnelhouse.yml or in a file: cost lines and targets, with the same columns."""

from __future__ import annotations

import pyarrow as pa

_TEXT, _DAY, _NUMBER = pa.string(), pa.date32(), pa.float64()

COST_LINES: dict[str, pa.DataType] = {
    "line_id": _TEXT,
    "start_date": _DAY,
    "end_date": _DAY,
    "amount": pa.decimal128(24, 6),
    "currency_code": _TEXT,
    "cost_type": _TEXT,
    "motion": _TEXT,
    "channel": _TEXT,
    "campaign": _TEXT,
    "acquisition_share": _NUMBER,
}
TARGETS: dict[str, pa.DataType] = {
    "kpi_id": _TEXT,
    "grain": _TEXT,
    "period_start": _DAY,
    "dimension": _TEXT,
    "member": _TEXT,
    "target": _NUMBER,
}
