"""Finding dropped files and opening them; what all readers of dropped files share."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import fsspec
import pyarrow as pa

from dagster_project.sources.files.mappings import VARIABLE, FileMapping, Name, guess_format
from dagster_project.wire.contract import ConfigError, DriftError

BATCH_ROWS = 50_000
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", "~")
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

# no right to read, or a packed file that is cut short or packed in an unknown way
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)

BadLine = Callable[[int, str], None]  # line, reason
TOTALS_LINE = "a line of totals"  # the reason of a line that is no row and no fault either


@dataclass(frozen=True)
class DropFile:
    """One dropped file. `name`, relative to the fixed part of the mapping's path, is what people see."""

    name: str
    url: str
    size: int


@dataclass(frozen=True)
class Cells:
    """Some rows of a file: the wanted columns by their name (or position) in the file, and each row's first line.

    For Parquet, which has no lines, `lines` are row numbers.
    """

    columns: dict[Name, pa.Array]
    lines: pa.Array


def list_drops(mapping: FileMapping, base_folder: str) -> list[DropFile]:
    """The files that a mapping names, in the order in which later ones replace earlier ones: by name, numbers
    by value (drop_9 before drop_10). The members of a zip are files of their own. Hidden and unfinished files
    (.tmp, .part …) are not there.

    Raises ConfigError when there is none, or a ${VARIABLE} of the path is not set.
    """
    if unset := VARIABLE.search(mapping.path):
        raise _no_files(mapping, f"the path {mapping.path!r} needs the variable {unset[1]}, which is not set")
    url = mapping.path
    if "://" not in url:
        url = os.path.join(base_folder, os.path.expanduser(url))
    fs, path = fsspec.core.url_to_fs(url)
    is_one = fs.exists(path)  # tried before the glob: file names may hold brackets
    fixed = path if is_one else re.split(r"[*?\[]", path)[0]
    root = fixed[: fixed.rfind("/") + 1]
    found = {path: fs.info(path)} if is_one else fs.glob(path, detail=True)
    drops = [
        DropFile(name=file.removeprefix(root), url=fs.unstrip_protocol(file), size=int(info.get("size") or 0))
        for file, info in found.items()
        if info["type"] == "file" and not _is_unfinished(file)
    ]
    drops = [each for drop in drops for each in _unzipped(drop, fs, mapping)]
    if not drops:
        hint = " (it is a folder; add /* to it)" if is_one else ""
        raise _no_files(mapping, f"no file matches {mapping.path!r}{hint}")
    return sorted(drops, key=lambda drop: _natural_order(drop.name))


def _unzipped(drop: DropFile, fs: Any, mapping: FileMapping) -> list[DropFile]:
    """The data files in a zip, each a file of its own; any other file as it is."""
    if not drop.name.lower().endswith(".zip"):
        return [drop]
    try:
        with fs.open(drop.url, "rb") as stream, zipfile.ZipFile(stream) as packed:
            members = [m for m in packed.infolist() if not m.is_dir() and not _is_unfinished(m.filename)]
    except UNREADABLE as error:
        raise drift(mapping, drop, f"not a whole zip file ({error})") from error
    members = [m for m in members if not m.filename.startswith("__MACOSX/")]
    if len(members) > 1:  # a list of contents, a licence or another table may lie beside the data
        members = [m for m in members if guess_format(m.filename) == mapping.file_format]
    if not members:
        raise drift(mapping, drop, f"there is no {mapping.file_format} file in it")
    if any(member.flag_bits & 1 for member in members):
        raise drift(mapping, drop, "it is encrypted; unpack it, passwords are not asked for")
    return [DropFile(f"{drop.name}/{m.filename}", f"zip://{m.filename}::{drop.url}", m.file_size) for m in members]


def opened(file: DropFile) -> Any:
    """Context manager of the file's bytes, unpacked where its name ends in .gz, .bz2 or .xz."""
    return fsspec.open(file.url, "rb", compression="infer")


def content_digest(file: DropFile) -> str:
    """A hash of the file's bytes as they are stored."""
    with fsspec.open(file.url, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def encoding_by_mark(file: DropFile) -> str:
    """The encoding that the file's byte order mark names, else UTF-8."""
    with opened(file) as stream:
        start = stream.read(3)
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), "utf-8")


def text_lines(stream: IO[bytes], encoding: str) -> Iterator[str]:
    """Physical lines as text; bytes that are no text in this encoding stay recognisable (see `is_text`)."""
    errors = "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return iter(io.TextIOWrapper(stream, encoding, errors=errors, newline=""))


def is_text(text: str) -> bool:
    """False where `text_lines` met bytes that are no text in the file's encoding."""
    return "\ufffd" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def drift(mapping: FileMapping, file: DropFile, message: str) -> DriftError:
    """The error for a file that does not look as its mapping says."""
    source, stream = _where(mapping)
    return DriftError(f"files entry {mapping.name!r}: {file.name}: {message}", source=source, stream=stream)


def _no_files(mapping: FileMapping, message: str) -> ConfigError:
    source, stream = _where(mapping)
    return ConfigError(f"files entry {mapping.name!r}: {message}", source=source, stream=stream)


def _where(mapping: FileMapping) -> tuple[str, str]:
    return ("ga4_export", "events") if mapping.is_export else ("files", mapping.stream)


def _natural_order(name: str) -> list[Any]:
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))]


def _is_unfinished(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith((".", "~")) or name.lower().endswith(_UNFINISHED)
