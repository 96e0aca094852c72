"""How dropped files map to a stream: the models of the `files:` list of funnelhouse.yml.

Only what a person writes down is here, with its checks; nothing is opened or read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import pyarrow as pa
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, model_validator

from dagster_project.sources.files.arithmetic import Term, columns_of, is_arithmetic, understood
from dagster_project.sources.files.date_formats import check_date_format, check_language
from dagster_project.sources.files.headers import header_name
from dagster_project.sources.files.mapping_checks import ROW_NUMBER, UNITS, check_keys, is_number
from dagster_project.sources.files.presets import CURRENCY, Shape, shapes_of
from dagster_project.sources.files.stream import HASHED, FileStream
from dagster_project.sources.files.streams import FILE_STREAMS, GA4_EXPORT

ENDINGS = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "parquet": "parquet",
    "xlsx": "xlsx",
    "xlsm": "xlsx",
}
COMPRESSIONS = ("gz", "bz2", "xz", "zip")
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
    """csv, jsonl, parquet or xlsx by the ending of a path or glob (.gz and the like may follow), or None."""
    parts = path.lower().split(".")
    if parts[-1] in COMPRESSIONS:
        parts.pop()
    return ENDINGS.get(parts[-1])


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("not an encoding; allowed are names such as utf-8, utf-16, cp1251 or cp1252") from None


def _delimiter(sign: str) -> str:
    if sign != WHITESPACE and len(sign) != 1:
        raise ValueError(f"allowed are one sign, and {WHITESPACE} (any run of spaces and tabs)")
    return sign


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone name; allowed are IANA names such as UTC or Europe/Berlin")
    return name


def _language(code: str) -> str:
    check_language(code)
    return code


def _date_format(text: str) -> str:
    check_date_format(text)
    return text


def file_date_pattern(text: str) -> str:
    """`%Y-%m-%d` as a regular expression with the directives as groups."""
    digits = {"Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}"}
    pieces = re.split(r"%([Yymd])", text)
    return "".join(
        f"(?P<{piece}>{digits[piece]})" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
    )


def _file_date(text: str) -> str:
    directives = re.findall(r"%(.)", text)
    if sorted(directives) not in (sorted(allowed) for allowed in ("Ymd", "ymd", "Ym", "ym")):
        raise ValueError("the date in a file's name has year, month and, if it likes, day: %Y-%m-%d, %Y%m or the like")
    return text


def _as_list(value: Any) -> Any:
    return [value] if value is None or isinstance(value, str | int | float) else value


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, str) else str(value)


Text = Annotated[str, BeforeValidator(_as_text)]


def _unit(value: Any) -> Any:
    """A word or a number as the exact factor; YAML reads 1e-6 as text."""
    if isinstance(value, bool):
        return value
    try:
        return UNITS[value] if value in UNITS else Decimal(str(value))
    except InvalidOperation:
        return value  # told with the column's name by the checks


Name = StrictStr | Annotated[int, Field(strict=True, ge=1)]  # of a column in the file, or its position from 1
Names = Annotated[tuple[Name, ...], BeforeValidator(_as_list), Field(min_length=1)]
Values = Annotated[tuple[Text, ...], BeforeValidator(_as_list), Field(min_length=1)]
DateFormat = Annotated[str, AfterValidator(_date_format)]


class FileMapping(BaseModel):
    """One entry of `files:`. Names on the left of `columns` are ours, on the right those of the file.

    Several entries with the same name and stream are one source in several shapes (columns renamed over the
    years, another format): their rows are de-duplicated together, later entries over earlier ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")  # becomes account_id
    stream: Literal[
        "leads", "deals", "orders", "ad_cost", "sessions", "email_clicks", "email_campaigns",
        "survey_answers", "other_costs", "targets", "exchange_rates", "ga4_export",
    ]  # fmt: skip
    path: str  # file or glob, relative to funnelhouse.yml, or an fsspec URL; ${VARIABLES} are filled in
    format: Literal["csv", "jsonl", "parquet", "xlsx"] | None = None  # by the ending where not given
    sheet: str | None = None  # of a spreadsheet; the first where not given
    strict: bool = False  # the first bad row stops the stream
    # --- how cells are written
    # comma; tab for .tsv; with escapes: backslash whichever of the two the header has. whitespace: any run of spaces and tabs
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = None
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None  # by its byte order mark, else UTF-8
    # quotes as in CSV; backslash: \t \n \\ and \N (nothing) are escapes, as ClickHouse, Metrica's Logs API, MySQL and
    # PostgreSQL write text. Between tabs a quote is then a letter; with another delimiter cells may stand in quotes, and
    # \" is a quote in them
    escapes: Literal["quotes", "backslash"] = "quotes"
    header: bool = True  # whether the first row has names; without, columns are named by position
    skip_lines: int = Field(0, ge=0)  # lines above the header (report titles)
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'"] | None = None
    time_zone: Annotated[str, AfterValidator(_time_zone)] | None = None  # of moments without an offset; reporting zone
    date_format: Annotated[
        tuple[DateFormat, ...], BeforeValidator(_as_list)
    ] = ()  # tried in turn; iso and epoch where empty. excel (serial days), rfc2822, javascript, or as %d.%m.%Y
    language: Annotated[
        tuple[Annotated[str, AfterValidator(_language)], ...], BeforeValidator(_as_list)
    ] = ()  # of the names of months; en where not given
    # --- which rows
    key: Annotated[tuple[Name, ...], BeforeValidator(_as_list)] = ()  # columns of the file; else the stream's id
    replace_by: Annotated[tuple[Name, ...], BeforeValidator(_as_list)] = ()  # a later file replaces all rows of a value
    where: dict[Name, Values] = {}  # column of the file -> the values that its rows must have; "" is an empty cell
    where_not: dict[Name, Values] = {}  # the values that they must not have
    keep_where_in: dict[str, str] = {}  # our column -> stream of files that must have the same value in it
    # --- which days: those of its rows, up to the day of reading, or up to the date in the file's name (file_date)
    covers: Literal["rows", "today", "file_date"] = "rows"
    covers_from: date | None = None  # whole from this day on, not only from its first row
    file_date: Annotated[str, AfterValidator(_file_date)] | None = None  # %Y-%m-%d, or %Y%m for whole months
    # --- what goes where
    # several columns of the file are joined with "-"; a number is a column's position; `row_number` is an id where the
    # file has none; a number of ours may be calculated: amount: "Quantity * Price"
    columns: dict[str, Names] = {}
    otherwise: dict[str, Names] = {}  # where such a column is empty: the first of these that is not
    counts: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()  # [12,34] in the file is 2 in our column
    unit: dict[str, Annotated[Any, BeforeValidator(_unit)]] = {}  # our number -> what one of theirs is: cents, 1e-6
    separator: dict[str, str] = {}  # our column -> what stands between the values of one cell; ";" if not named
    constants: dict[str, Text] = {}
    values: dict[str, dict[Text, Text | None]] = {}  # our column -> their value -> ours; "" is an empty cell
    key_events: tuple[str, ...] = DEFAULT_KEY_EVENTS  # ga4_export only

    # --- the mapping of a known export, which the keys above change one by one; `shapes` is the reader's own
    preset: str | None = None
    shapes: tuple[Shape, ...] = Field((), repr=False)

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, entry: Any) -> Any:
        """An entry that names a preset is that of the preset's first shape; the others wait for the files."""
        if not isinstance(entry, dict) or not isinstance(entry.get("preset"), str):
            if isinstance(entry, dict) and entry.get("shapes"):
                raise ValueError("shapes cannot be set")
            return entry
        if entry.get("shapes"):
            return entry  # validated before
        own = {key: value for key, value in entry.items() if key != "preset"}
        kind = own.get("format") or guess_format(str(own.get("path", "")))
        if kind not in ("csv", "xlsx", None):
            raise ValueError(f"preset {entry['preset']!r} is of text and spreadsheets (csv, xlsx), not of {kind}")
        shapes = shapes_of(entry["preset"], own, is_sheet=kind == "xlsx")
        return {**shapes[0].entry, "preset": entry["preset"], "shapes": shapes}

    @property
    def is_export(self) -> bool:
        return self.stream == GA4_EXPORT

    @cached_property
    def formulas(self) -> dict[str, Term]:
        """What is written under `columns` as arithmetic -> what it means. A column of that very name stands above it."""
        kinds = {} if self.is_export else FILE_STREAMS[self.stream].kinds
        return {
            name: understood(name)
            for ours, (name, *more) in self.columns.items()
            if not more and is_number(kinds.get(ours)) and isinstance(name, str) and is_arithmetic(name)
        }

    def present(self, names: Iterable[Name], header: Collection[str]) -> list[Name]:
        """`names` as they are to be looked for in a file with this header: the columns that formulas need instead
        of the formulas, and no row number; unless the file has a column of that very name."""
        found: dict[Name, None] = {}
        for name in names:
            is_there = name in header or (isinstance(name, str) and header_name(name) in header)
            if is_there or (name not in self.formulas and name != ROW_NUMBER):
                found[name] = None
            elif isinstance(name, str) and name in self.formulas:
                found |= dict.fromkeys(columns_of(self.formulas[name]))
        return list(found)

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
                "set format to csv, jsonl, parquet or xlsx"
            )
        if self.is_export:
            self._check_export()
        else:
            self._check_columns(FILE_STREAMS[self.stream])
        if (self.covers == "file_date") != (self.file_date is not None):
            raise ValueError(
                f"files entry {self.name!r}: covers: file_date and file_date (how the name says the day, such as %Y-%m-%d) "
                "need each other"
            )
        if self.decimal and self.decimal == self.thousands:
            raise ValueError(f"files entry {self.name!r}: decimal and thousands are both {self.decimal!r}")
        return self

    def _check_export(self) -> None:
        if self.file_format in ("csv", "xlsx"):
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
        for setting in ("columns", "otherwise", "counts", "constants", "values", "keep_where_in", "unit", "separator"):
            for name in getattr(self, setting):
                if name not in stream.mappable:
                    raise ValueError(f"{where}: {setting}.{name}: no such column{nearest(name, stream.mappable)}")
        if twice := sorted(set(self.columns) & set(self.constants)):
            raise ValueError(f"{where}: {', '.join(twice)} is both in columns and in constants; give one of them")
        filled = set(self.columns) | set(self.constants)
        if "count" in filled and stream.record_id:
            filled.add(stream.record_id)  # rows that stand for several have no id of one
        plain = {hashed: name for name, hashed in HASHED.items()}
        if missing := [each for name in stream.required if (each := plain.get(name, name)) not in filled]:
            raise ValueError(f"{where}: {', '.join(missing)} must be filled, by columns or by constants")
        if stream.name == "deals" and not filled & {"created_at", "closed_at"}:
            raise ValueError(f"{where}: created_at or closed_at must be filled")
        money = [name for name in stream.money if name in filled]
        is_in_header = any(CURRENCY in str(name) for shape in self.shapes for name in shape.entry["columns"].values())
        if money and "currency_code" not in filled and not is_in_header:
            raise ValueError(
                f"{where}: {money[0]} has no currency; give currency_code as a column, or as a constant "
                "such as {currency_code: EUR}"
            )
        for name, other in self.keep_where_in.items():
            if other not in FILE_STREAMS or name not in FILE_STREAMS[other].columns:
                allowed = [s.name for s in FILE_STREAMS.values() if name in s.columns and s.name != stream.name]
                raise ValueError(
                    f"{where}: keep_where_in.{name} = {other!r}: allowed are {', '.join(allowed) or 'none'}"
                )
        if useless := sorted(set(self.values) - set(self.columns)):
            raise ValueError(f"{where}: values.{useless[0]} translates a column that is not in columns")
        if useless := sorted(set(self.otherwise) - set(self.columns)):
            raise ValueError(f"{where}: otherwise.{useless[0]} stands in for a column that is not in columns")
        if self.sheet is not None and self.file_format != "xlsx":
            raise ValueError(f"{where}: sheet is of a spreadsheet; {self.file_format} has none")
        if self.file_format == "xlsx" and (
            useless := sorted(self.model_fields_set & {"delimiter", "encoding", "escapes"})
        ):
            raise ValueError(f"{where}: {useless[0]} is of text; a spreadsheet has none")
        if self.escapes == "backslash" and self.file_format != "csv":
            raise ValueError(f"{where}: escapes are of text with columns; {self.file_format} has its own")
        self._check_counts(where, stream)
        check_keys(self, where, stream)
        if "key_events" in self.model_fields_set:
            raise ValueError(f"{where}: key_events is for the stream ga4_export only")

    def _check_counts(self, where: str, stream: FileStream) -> None:
        numbers = [name for name, kind in stream.columns.items() if pa.types.is_integer(kind)]
        for name in self.counts:
            if name not in numbers:
                raise ValueError(
                    f"{where}: counts: {name} is no whole number; allowed are {', '.join(numbers) or 'none'}"
                )
            if len(self.columns.get(name, ())) != 1 or name in self.otherwise or name in self.values:
                raise ValueError(f"{where}: counts: {name} needs one column of the file, without values or otherwise")
