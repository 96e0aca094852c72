"""How dropped files map to a stream: the models of the `files:` list of funnelhouse.yml.

Only what a person writes down is here, with its checks; nothing is opened or read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dagster_project.connectors.file_dates import check_date_format
from dagster_project.connectors.file_streams import FILE_STREAMS, GA4_EXPORT, HASHED, FileStream

ENDINGS = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "parquet": "parquet",
}
COMPRESSIONS = ("gz", "bz2", "xz")
WHITESPACE = "whitespace"
VARIABLE = re.compile(r"\$\{(\w+)\}")

# what Google Analytics counts as key events until somebody changes it; the export itself does not say
DEFAULT_KEY_EVENTS = (
    "purchase",
    "first_open",
    "in_app_purchase",
    "app_store_subscription_convert",
    "app_store_subscription_renew",
)


def nearest(name: str, known: Collection[str]) -> str:
    """` (did you mean …?)`, or the known names when none is near."""
    by_lower = {other.lower(): other for other in known}
    near = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    if near:
        return f" (did you mean {' or '.join(repr(n) for n in near)}?)"
    return f" (it has {', '.join(sorted(known))})" if known else ""


def guess_format(path: str) -> str | None:
    """csv, jsonl or parquet by the ending of a path or glob (.gz and the like may follow), or None."""
    parts = path.lower().split(".")
    if parts[-1] in COMPRESSIONS:
        parts.pop()
    return ENDINGS.get(parts[-1])


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(
            "not an encoding; allowed are names such as utf-8, utf-16, cp1251 or cp1252"
        ) from None


def _delimiter(sign: str) -> str:
    if sign != WHITESPACE and len(sign) != 1:
        raise ValueError(f"allowed are one sign, and {WHITESPACE} (any run of spaces and tabs)")
    return sign


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone name; allowed are IANA names such as UTC or Europe/Berlin")
    return name


def _date_format(text: str) -> str:
    check_date_format(text)
    return text


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, str) else str(value)


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)]
Text = Annotated[str, BeforeValidator(_as_text)]
DateFormat = Annotated[str, AfterValidator(_date_format)]


class FileMapping(BaseModel):
    """One entry of `files:`. Names on the left of `columns` are ours, on the right those of the file.

    Several entries with the same name and stream are one source in several shapes (columns renamed over the
    years, another format): their rows are de-duplicated together, later entries over earlier ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")  # becomes account_id
    stream: Literal[
        "leads", "deals", "orders", "ad_cost", "sessions", "email_clicks", "other_costs", "targets", "surveys", "followers",
        "exchange_rates", "ga4_export",
    ]  # fmt: skip
    path: str  # file or glob, relative to funnelhouse.yml, or an fsspec URL; ${VARIABLES} are filled in
    format: Literal["csv", "jsonl", "parquet"] | None = None  # by the ending where not given
    strict: bool = False  # the first bad row stops the stream
    # --- how cells are written
    # comma; tab for .tsv; with escapes: backslash whichever of the two the header has. whitespace: any run of spaces and tabs
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None  # by its byte order mark, else UTF-8
    # quotes as in CSV; backslash: \t \n \\ and \N (nothing) are escapes, as ClickHouse, Metrica's Logs API, MySQL and
    # PostgreSQL write text. Between tabs a quote is then a letter; with another delimiter cells may stand in quotes, and
    # \" is a quote in them
    escapes: Literal["quotes", "backslash"] = "quotes"
    skip_lines: int = Field(0, ge=0)  # lines above the header (report titles)
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'"] | None = None
    time_zone: Annotated[str, AfterValidator(_time_zone)] | None = (
        None  # of moments without an offset; reporting zone
    )
    date_format: Annotated[
        tuple[DateFormat, ...], BeforeValidator(_as_list)
    ] = ()  # tried in turn; ISO 8601 where empty
    # --- which rows
    key: Annotated[
        tuple[str, ...], BeforeValidator(_as_list)
    ] = ()  # columns of the file; else the stream's id
    replace_by: Annotated[
        tuple[str, ...], BeforeValidator(_as_list)
    ] = ()  # a later file replaces all rows of a value
    keep_where_in: dict[str, str] = {}  # our column -> stream of files that must have the same value in it
    # --- what goes where
    columns: dict[str, Names] = {}  # several columns of the file are joined with "-"
    otherwise: dict[str, Names] = {}  # where such a column is empty: the first of these that is not
    counts: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()  # [12,34] in the file is 2 in our column
    constants: dict[str, Text] = {}
    values: dict[str, dict[Text, Text | None]] = {}  # our column -> their value -> ours; "" is an empty cell
    key_events: tuple[str, ...] = DEFAULT_KEY_EVENTS  # ga4_export only

    @property
    def is_export(self) -> bool:
        return self.stream == GA4_EXPORT

    @property
    def file_format(self) -> str:
        return self.format or guess_format(self.path) or ""

    def with_variables(self, environment: Mapping[str, str]) -> FileMapping:
        """The same with the ${VARIABLES} of its path filled in; one that is not set fails at the read."""
        path = VARIABLE.sub(lambda match: environment.get(match[1], match[0]), self.path)
        return self.model_copy(update={"path": path})

    @model_validator(mode="after")
    def _check(self) -> FileMapping:
        if not self.file_format:
            raise ValueError(
                f"files entry {self.name!r}: the path {self.path!r} does not end in a known format; "
                "set format to csv, jsonl or parquet"
            )
        if self.is_export:
            self._check_export()
        else:
            self._check_columns(FILE_STREAMS[self.stream])
        if self.decimal and self.decimal == self.thousands:
            raise ValueError(f"files entry {self.name!r}: decimal and thousands are both {self.decimal!r}")
        return self

    def _check_export(self) -> None:
        if self.file_format == "csv":
            raise ValueError(
                f"files entry {self.name!r}: the GA4 export is nested; allowed formats are jsonl and parquet"
            )
        useless = self.model_fields_set - {
            "name",
            "stream",
            "path",
            "format",
            "strict",
            "time_zone",
            "key_events",
        }
        if useless:
            raise ValueError(
                f"files entry {self.name!r}: the GA4 export has a fixed shape; "
                f"{', '.join(sorted(useless))} cannot be set"
            )

    def _check_columns(self, stream: FileStream) -> None:
        where = f"files entry {self.name!r} ({stream.name})"
        for setting in ("columns", "otherwise", "counts", "constants", "values", "keep_where_in"):
            for name in getattr(self, setting):
                if name not in stream.mappable:
                    raise ValueError(
                        f"{where}: {setting}.{name}: no such column{nearest(name, stream.mappable)}"
                    )
        if twice := sorted(set(self.columns) & set(self.constants)):
            raise ValueError(
                f"{where}: {', '.join(twice)} is both in columns and in constants; give one of them"
            )
        filled = set(self.columns) | set(self.constants)
        plain = {hashed: name for name, hashed in HASHED.items()}
        if missing := [each for name in stream.required if (each := plain.get(name, name)) not in filled]:
            raise ValueError(f"{where}: {', '.join(missing)} must be filled, by columns or by constants")
        if stream.name == "deals" and not filled & {"created_at", "closed_at"}:
            raise ValueError(f"{where}: created_at or closed_at must be filled")
        money = [name for name in stream.money if name in filled]
        if money and "currency_code" not in filled:
            raise ValueError(
                f"{where}: {money[0]} has no currency; give currency_code as a column, or as a constant "
                "such as {currency_code: EUR}"
            )
        for name, other in self.keep_where_in.items():
            if other not in FILE_STREAMS or name not in FILE_STREAMS[other].columns:
                allowed = [
                    s.name for s in FILE_STREAMS.values() if name in s.columns and s.name != stream.name
                ]
                raise ValueError(
                    f"{where}: keep_where_in.{name} = {other!r}: allowed are {', '.join(allowed) or 'none'}"
                )
        if useless := sorted(set(self.values) - set(self.columns)):
            raise ValueError(f"{where}: values.{useless[0]} translates a column that is not in columns")
        if useless := sorted(set(self.otherwise) - set(self.columns)):
            raise ValueError(f"{where}: otherwise.{useless[0]} stands in for a column that is not in columns")
        if self.escapes == "backslash" and self.file_format != "csv":
            raise ValueError(f"{where}: escapes are of text with columns; {self.file_format} has its own")
        self._check_counts(where, stream)
        if "key_events" in self.model_fields_set:
            raise ValueError(f"{where}: key_events is for the stream ga4_export only")

    def _check_counts(self, where: str, stream: FileStream) -> None:
        numbers = [name for name, kind in stream.columns.items() if pa.types.is_integer(kind)]
        for name in self.counts:
            if name not in numbers:
                raise ValueError(f"{where}: counts: {name} is no whole number; allowed are {', '.join(numbers) or 'none'}")
            if len(self.columns.get(name, ())) != 1 or name in self.otherwise or name in self.values:
                raise ValueError(f"{where}: counts: {name} needs one column of the file, without values or otherwise")
