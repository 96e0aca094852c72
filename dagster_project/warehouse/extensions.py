"""DuckDB's extensions from Python packages (nothing is downloaded at run time), and raw zones on S3."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

PACKAGES = {"httpfs": "duckdb_extension_httpfs", "postgres_scanner": "duckdb_extension_postgres_scanner"}


class ExtensionError(Exception):
    """An extension is not installed, or a raw zone is where DuckDB cannot read it."""


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension by its file in the package. Raises ExtensionError naming the package to install."""
    version = duckdb.__version__
    spec = find_spec(PACKAGES[name])
    folder = Path(spec.origin).parent if spec and spec.origin else None
    file = folder / "extensions" / f"v{version}" / f"{name}.duckdb_extension" if folder else None
    if file is None or not file.exists():
        package = PACKAGES[name].replace("_", "-")
        raise ExtensionError(f"DuckDB {version} needs the Python package {package}=={version}; install it")
    connection.execute(f"load '{str(file).replace(chr(39), chr(39) * 2)}'")


def open_raw_root(connection: duckdb.DuckDBPyConnection, raw_root: str) -> None:
    """Make `read_parquet('<raw_root>/…')` work on this connection; a local folder needs nothing.

    S3 credentials are those that s3fs uses for writing (environment, profile, instance role); where it is not
    Amazon, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL names the host. A role's credentials are short-lived: they
    are asked for at each connection. Raises ExtensionError for other object stores.
    """
    scheme = raw_root.partition("://")[0] if "://" in raw_root else ""
    if not scheme:
        return
    if scheme != "s3":
        raise ExtensionError(
            f"FUNNELHOUSE_RAW={raw_root}: the warehouse reads raw zones on a local folder or s3:// "
            "(Amazon S3 and what speaks its protocol)"
        )
    load_extension(connection, "httpfs")
    connection.execute(f"create or replace temporary secret raw_zone ({', '.join(_s3_secret(raw_root))})")


def _s3_secret(raw_root: str) -> list[str]:
    try:
        from botocore.session import get_session
    except ImportError:
        raise ExtensionError(f"FUNNELHOUSE_RAW={raw_root}: a raw zone on S3 needs the Python package s3fs") from None
    session = get_session()
    settings = {
        "type": "s3",
        "scope": raw_root,
        "region": session.get_config_variable("region") or "us-east-1",
    }
    if found := session.get_credentials():
        credentials = found.get_frozen_credentials()
        settings |= {"key_id": credentials.access_key, "secret": credentials.secret_key}
        if credentials.token:
            settings["session_token"] = credentials.token
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        address = urlsplit(endpoint)
        settings |= {
            "endpoint": address.netloc,
            "url_style": "path",
            "use_ssl": str(address.scheme == "https").lower(),
        }
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    return [f"{name} '{value}'" for name, value in quoted.items()]
