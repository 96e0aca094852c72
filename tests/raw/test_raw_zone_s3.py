"""A raw zone on S3: written through s3fs, read by DuckDB's httpfs and by dbt, against a local server that answers like S3."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import requests

from dagster_project.raw.zone import RawZone
from dagster_project.sources import all_streams
from dagster_project.warehouse.extensions import ExtensionError, open_raw_root
from dagster_project.wire import Page

pytest.importorskip("s3fs", reason="s3fs is not installed: a raw zone on S3 needs it")
server = pytest.importorskip("moto.server", reason="moto[server] is not installed: no S3 to test against")

logging.getLogger("werkzeug").setLevel(logging.WARNING)  # the server's line for each request
PROJECT = Path(__file__).resolve().parents[2]
DAY = date(2026, 2, 3)
NOW = datetime(2026, 2, 10, 3, tzinfo=UTC)
RATES = next(stream for stream in all_streams()["fx"] if stream.name == "rates")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    s3 = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    yield "http://{}:{}".format(*s3.get_host_and_port())
    s3.stop()


@pytest.fixture
def bucket(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The raw root in a bucket of its own; the environment leads to its server."""
    variables = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret'key"}
    for name, value in (
        variables | {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    ).items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    requests.put(f"{address}/{name}", timeout=10).raise_for_status()
    return f"s3://{name}/raw"


def rates(*rows: tuple[date, str, float]) -> Page:
    records = [
        {
            "date": d,
            "provider": "ecb",
            "base_currency": "EUR",
            "currency": c,
            "rate": r,
            "account_id": "ecb",
            "_extra": None,
        }
        for d, c, r in rows
    ]
    return Page(pa.Table.from_pylist(records, schema=RATES.schema))


def write(zone: RawZone, *rows: tuple[date, str, float]) -> list[date]:
    days = [DAY, DAY + timedelta(days=1)]
    return zone.replace_days(RATES, days, [rates(*rows)], extracted_at=NOW, checked_on=NOW.date()).changed_days


def test_days_on_s3_are_replaced_and_left_alone_as_on_a_disk(bucket: str) -> None:
    zone = RawZone(bucket)
    assert len(write(zone, (DAY, "USD", 1.1))) == 2
    assert write(zone, (DAY, "USD", 1.1)) == []
    assert write(zone, (DAY, "USD", 1.2)) == [DAY]
    assert zone.read_day(RATES, DAY).column("rate").to_pylist() == [1.2]
    assert zone.extracted_days(RATES) == [DAY, DAY + timedelta(days=1)]
    assert [row["rows"] for row in RawZone(bucket).ledger(RATES).to_pylist()] == [1, 0]


def test_duckdb_reads_days_by_pattern_from_s3(bucket: str) -> None:
    write(RawZone(bucket), (DAY, "USD", 1.1), (DAY + timedelta(days=1), "USD", 1.2))
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        open_raw_root(connection, bucket)
        rows = connection.execute(
            f"select day, currency, rate from read_parquet('{bucket}/fx/rates/*/part-0.parquet', hive_partitioning = true, "
            "hive_types = {'day': varchar}) order by day"
        ).fetchall()
        shown = str(connection.execute("from duckdb_secrets()").fetchall())
    assert rows == [("2026-02-03", "USD", 1.1), ("2026-02-04", "USD", 1.2)]
    assert "secret'key" not in shown


def test_dbt_reads_its_sources_from_s3(bucket: str, tmp_path: Path) -> None:
    zone = RawZone(bucket)
    write(zone, (DAY, "USD", 1.1))
    zone.write_index([(RATES, True)])
    # the project's own profile and source definition, without its models: they take long to parse
    (tmp_path / "models").mkdir()
    shutil.copy(PROJECT / "dbt_project/models/staging/fx/_fx__sources.yml", tmp_path / "models")
    (tmp_path / "dbt_project.yml").write_text("{name: small, version: '1.0.0', profile: funnelhouse}")
    query = "select day, currency, rate from {{ source('raw_fx', 'rates') }}"
    said = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "show", "--inline", query, "--output", "json", "--profiles-dir", PROJECT / "dbt_project"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "FUNNELHOUSE_HOME": str(tmp_path), "FUNNELHOUSE_RAW": bucket, "DO_NOT_TRACK": "1"},
    )  # fmt: skip
    assert said.returncode == 0, said.stdout
    assert json.loads(said.stdout[said.stdout.index("{") :])["show"] == [
        {"day": "2026-02-03", "currency": "USD", "rate": 1.1}
    ]
    assert "secret'key" not in said.stdout + (tmp_path / "logs" / "dbt.log").read_text()


def test_where_the_warehouse_cannot_read_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect() as connection:
        open_raw_root(connection, "/a/folder")
        with pytest.raises(
            ExtensionError, match="FUNNELHOUSE_RAW=gs://b/raw: the warehouse reads raw zones on a local folder or s3://"
        ):
            open_raw_root(connection, "gs://b/raw")
        monkeypatch.setitem(sys.modules, "botocore.session", None)
        with pytest.raises(ExtensionError, match="needs the Python package s3fs"):
            open_raw_root(connection, "s3://b/raw")
