"""CSV drops: right line numbers, bad lines that cost one line, encodings, headers."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dagster_project.sources.files import csv as file_csv
from dagster_project.sources.files.dialects import HidingQuotes
from dagster_project.wire import ConfigError, DriftError
from tests.support.dropped_files import LEADS, swept


def lead_lines(folder: Path, content: str | bytes, **more: object) -> tuple[dict[str, int], list[str]]:
    """lead_id -> line, and the reports of bad rows."""
    (folder / "leads.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    table, tally = swept(folder, {**LEADS, **more})
    assert tally.bad_row_count == len(tally.bad_rows)
    return dict(zip(table["lead_id"].to_pylist(), table["_line"].to_pylist(), strict=True)), tally.bad_rows


def test_lines_are_counted_through_blank_lines_quoted_breaks_and_bad_rows(tmp_path: Path) -> None:
    content = (
        "id,created,note\n"  # 1
        "a,2026-01-01,x\n"  # 2
        "\n"  # 3
        'b,2026-01-01,"two\nlines"\n'  # 4, 5
        "c,2026-01-01\n"  # 6: too short
        ",,\n"  # 7: what a spreadsheet leaves behind
        'd,not a day,"three\r\n\r\nlines"\n'  # 8, 9, 10
        "e,2026-01-01,x\n"  # 11
        ",2026-01-01,no id\n"  # 12
        "f,2026-01-01,x,y"  # 13: too long, and without a line end
    )
    lines, bad = lead_lines(tmp_path, content)
    assert lines == {"a": 2, "b": 4, "e": 11}
    assert [text.split("leads.csv, line ")[1].split(":")[0] for text in bad] == ["6", "8", "12", "13"]
    assert "2 cells where the header has 3" in bad[0]
    assert "created_at (created) 'not a day' is not a date" in bad[1]
    assert "lead_id (id) is empty" in bad[2]


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.one_of(
            st.tuples(st.just("good"), st.text("xy\n\r,\"' ", max_size=12)),
            st.tuples(st.just("short"), st.just("")),
            st.tuples(st.just("blank"), st.just("")),
        ),
        min_size=1,
        max_size=40,
    ),
    block=st.sampled_from([100, 1000, 4_000_000]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_lines_are_those_of_pythons_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str]], block: int, ending: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=ending)
    writer.writerow(["id", "no\nte", "created"])
    for i, (kind, note) in enumerate(rows):
        if kind == "good":
            writer.writerow([f"r{i}", note.replace("\r", "\r\n"), "2026-01-01"])
        else:
            text.write(f"only-one-cell{ending}" if kind == "short" else ending)
    expected, short, start = {}, [], 1
    reader = csv.reader(io.StringIO(text.getvalue(), newline=""))
    for row in reader:
        if len(row) == 3 and start > 1:
            expected[row[0]] = start
        elif len(row) == 1:
            short.append(start)
        start = reader.line_num + 1
    monkeypatch.setattr(file_csv, "BLOCK_BYTES", block)
    (tmp_path / "leads.csv").write_bytes(text.getvalue().encode())
    if not expected and short:
        with pytest.raises(DriftError, match=f"none of its {len(short)} rows"):
            swept(tmp_path, LEADS)
        return
    lines, bad = lead_lines(tmp_path, text.getvalue())
    assert lines == expected
    assert [int(report.split("line ")[1].split(":")[0]) for report in bad] == short


def test_an_unclosed_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    content = (
        "id,created,note\n"
        + "".join(f"a{i},2026-01-01,x\n" for i in range(100))
        + 'broken,2026-01-01,"never closed\n'  # 102
        + "".join(f"b{i},2026-01-01,x\n" for i in range(50))
        + 'c,2026-01-01,"closed\nagain"\n'  # 153
        + 'broken,"2026-01-01,x\n'  # 155
        + "d,2026-01-01,x\n"
    )
    lines, bad = lead_lines(tmp_path, content)
    assert len(lines) == 152
    assert (lines["a99"], lines["b0"], lines["c"], lines["d"]) == (101, 103, 153, 156)
    assert [report.split(", ")[1] for report in bad] == [
        "line 102: a quote is opened and not closed",
        "line 155: a quote is opened and not closed",
    ]


def test_an_unclosed_quote_after_many_good_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_csv, "BLOCK_BYTES", 2000)
    good = "".join(f"a{i},2026-01-01,{'x' * (i % 50)}\n" for i in range(3000))
    content = f'id,created,note\n{good}short\nbroken,2026-01-01,"\n' + "".join(
        f"b{i},2026-01-01,\n" for i in range(3000)
    )
    lines, bad = lead_lines(tmp_path, content)
    assert len(lines) == 6000
    assert (lines["a2999"], lines["b0"], lines["b2999"]) == (3001, 3004, 6003)
    assert [report.split(": ")[1] for report in bad] == ["leads.csv, line 3002", "leads.csv, line 3003"]


@pytest.mark.parametrize(
    ("encoding", "setting"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("cp1251", "cp1251"),
        ("utf-16-le", "utf-16-le"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, setting: str | None) -> None:
    (tmp_path / "leads.csv").write_bytes(
        'id;created;Источник\nа1;2026-01-01;Яндекс\nа2;2026-01-01;"Д\nЗ"\n'.encode(encoding)
    )
    mapping = {
        **LEADS,
        "columns": {**LEADS["columns"], "source": "Источник"},
        "delimiter": ";",
        "encoding": setting,
    }
    table, tally = swept(tmp_path, mapping)
    assert table.select(["lead_id", "source", "_line"]).to_pylist() == [
        {"lead_id": "а1", "source": "Яндекс", "_line": 2},
        {"lead_id": "а2", "source": "Д\nЗ", "_line": 3},
    ]
    assert tally.bad_rows == []


# what ClickHouse's documentation says of TabSeparated: these letters are escaped, quotes are letters like others
ESCAPED = {
    r"a\tb": "a\tb",
    r"a\nb": "a\nb",
    r"a\\nb": r"a\nb",
    r"a\\\nb": "a\\\nb",
    r"d\'or": "d'or",
    r"\N": None,
    '"open': '"open',
    '"shut"': '"shut"',
    r"C:\\": "C:\\",
    "plain": "plain",
}


@pytest.mark.parametrize("is_fast", [True, False])
def test_tab_separated_text_with_escapes(tmp_path: Path, is_fast: bool) -> None:
    """A line in another encoding makes the reader go on with Python's."""
    lines = [f"{n}\t2026-01-01\t{written}".encode() for n, written in enumerate(ESCAPED)]
    broken = [] if is_fast else [b"x\t2026-01-01\t\xff"]
    (tmp_path / "leads.txt").write_bytes(b"\n".join([b"id\tcreated\tnote", *broken, *lines, b"y\t2026-01-01"]))
    mapping = {**LEADS, "path": "leads.txt", "columns": {**LEADS["columns"], "term": "note"}, "escapes": "backslash"}
    table, tally = swept(tmp_path, mapping)
    assert table["term"].to_pylist() == list(ESCAPED.values())
    assert table["_line"].to_pylist() == list(range(2 + len(broken), 2 + len(broken) + len(ESCAPED)))
    assert [text.split("line ")[1].split(":")[0] for text in tally.bad_rows] == [
        *(["2"] if broken else []),
        str(2 + len(broken) + len(ESCAPED)),
    ]


def test_rows_in_another_encoding_are_bad_and_the_others_are_read(tmp_path: Path) -> None:
    content = b"id,created,note\na,2026-01-01,ok\nb,2026-01-01,\xcf\xf0\xe8\nc,2026-01-01,caf\xc3\xa9\n"
    lines, bad = lead_lines(tmp_path, content, columns={**LEADS["columns"], "source": "note"})
    assert lines == {"a": 2, "c": 4}
    assert bad == ["crm: leads.csv, line 3: bytes that are not utf-8; set encoding if the file is in another one"]


def test_a_header_in_another_encoding_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"leads.csv: the header is not utf-8; set encoding \(cp1251"):
        lead_lines(tmp_path, "id,created,Источник\na,2026-01-01,x\n".encode("cp1251"))


def test_the_wrong_delimiter_is_named(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"no column 'id'; its header is one column, 'id;created': set delimiter"):
        lead_lines(tmp_path, "id;created\na;2026-01-01\n")


def test_a_column_that_the_file_lacks_is_named_with_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"crm.*leads.csv: there is no column 'created' \(did you mean 'Created'\?\)"):
        lead_lines(tmp_path, "id,Created\na,2026-01-01\n")


def test_a_column_that_is_there_twice_is_an_error_only_if_it_is_mapped(tmp_path: Path) -> None:
    assert lead_lines(tmp_path, "id,created,x,x\na,2026-01-01,1,2\n")[0] == {"a": 2}
    with pytest.raises(DriftError, match="'id' is there 2 times"):
        lead_lines(tmp_path, "id,created,id\na,2026-01-01,b\n")


def test_report_titles_above_the_header_are_skipped(tmp_path: Path) -> None:
    lines, bad = lead_lines(tmp_path, "Report of leads\n\nid,created\na,2026-01-01\nx\n", skip_lines=2)
    assert (lines, bad) == ({"a": 4}, ["crm: leads.csv, line 5: 1 cells where the header has 2"])


@pytest.mark.parametrize("skip_lines", [0, 2, 6])
@pytest.mark.parametrize("titles", [0, 1, 6, 40])
def test_the_header_is_found_by_its_names_however_many_titles_stand_above(
    tmp_path: Path, titles: int, skip_lines: int
) -> None:
    above = "".join(f'Title,"{n}, of ""id"""\n\n' for n in range(titles))
    content = f"{above}x,created,id\n1,2026-01-01,a\n\n1,2026-01-02,b\n"
    lines, bad = lead_lines(tmp_path, content, skip_lines=skip_lines)
    assert (lines, bad) == ({"a": 2 * titles + 2, "b": 2 * titles + 4}, [])


def test_a_header_that_lacks_a_name_is_the_one_that_is_told(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"no column 'created' \(did you mean 'created_on'\?\)"):
        lead_lines(tmp_path, "Report\nof,2026\n\nid,created_on\na,2026-01-01\n")


@pytest.mark.parametrize("setting", [None, "utf-8"])
@pytest.mark.parametrize("mark", ["\ufeff", "Title\n\ufeff", "\ufeffTitle\n\n"])
def test_a_byte_order_mark_goes_before_the_header_is_parsed(tmp_path: Path, mark: str, setting: str | None) -> None:
    content = f'{mark}"id","created"\r\n"a","2026-01-01"\r\n'
    lines, bad = lead_lines(tmp_path, content.encode(), **({"encoding": setting} if setting else {}))
    assert (list(lines), bad) == (["a"], [])


def test_names_of_a_header_are_compared_as_people_see_them(tmp_path: Path) -> None:
    header = "  Gro\u0308\u00dfe ;Erstellt\u00a0 am;\u200bNr\u202f;Nr 2"
    (tmp_path / "l.csv").write_text(f"{header}\nx;2026-01-01;7;8\n", encoding="utf-8")
    mapping = {
        **LEADS,
        "path": "l.csv",
        "delimiter": ";",
        "columns": {"lead_id": "Nr", "created_at": "Erstellt am", "form": "Gr\u00f6\u00dfe"},
    }
    table, _ = swept(tmp_path, mapping)
    assert table.select(["lead_id", "form"]).to_pylist() == [{"lead_id": "7", "form": "x"}]


@pytest.mark.parametrize("is_fast", [True, False])
def test_quotes_in_quotes_behind_a_backslash(tmp_path: Path, is_fast: bool) -> None:
    rows = [
        r'a,2026-01-01,"Sale \"Autumn\", EU"',
        r'b,2026-01-01,"ends in a backslash \\"',
        r'c,2026-01-01,"two\nlines \\\"x\" \\n"',
        r"d,2026-01-01,\N",
        'e,2026-01-01,"a real\nbreak"',
    ]
    if not is_fast:
        rows.insert(3, 'f,2026-01-01,"never closed')
    (tmp_path / "leads.csv").write_text("\n".join(["id,created,form", *rows, ""]))
    table, tally = swept(tmp_path, {**LEADS, "escapes": "backslash", "columns": {**LEADS["columns"], "form": "form"}})
    assert table["form"].to_pylist() == [
        'Sale "Autumn", EU', "ends in a backslash \\", 'two\nlines \\"x" \\n', None, "a real\nbreak",
    ]  # fmt: skip
    assert table["_line"].to_pylist() == ([2, 3, 4, 5, 6] if is_fast else [2, 3, 4, 6, 7])
    assert tally.bad_row_count == (0 if is_fast else 1)


def test_a_backslash_at_the_end_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of every length: an escape may be cut anywhere."""
    text = r'"q \" \\" \\\" x"' * 3
    whole = HidingQuotes(io.BytesIO(text.encode())).read()
    assert len(whole) == len(text)
    for size in range(2, len(text)):
        stream = HidingQuotes(io.BytesIO(text.encode()))
        parts = list(iter(lambda stream=stream, size=size: stream.read(size), b""))
        assert b"".join(parts) == whole


def test_text_between_white_space(tmp_path: Path) -> None:
    content = 'Sales of\tus\n  id   created\t form\n a 2026-01-01   "two words"  \n\nb\t2026-01-02 x\nc 2026-01-03\n'
    (tmp_path / "leads.csv").write_text(content)
    mapping = {**LEADS, "delimiter": "whitespace", "columns": {**LEADS["columns"], "form": "form"}}
    table, tally = swept(tmp_path, mapping)
    assert table.select(["lead_id", "form", "_line"]).to_pylist() == [
        {"lead_id": "a", "form": "two words", "_line": 3},
        {"lead_id": "b", "form": "x", "_line": 5},
    ]
    assert tally.bad_rows == ["crm: leads.csv, line 6: 2 cells where the header has 3"]


def test_files_without_rows(tmp_path: Path) -> None:
    assert lead_lines(tmp_path, "id,created\n") == ({}, [])
    with pytest.raises(DriftError, match="empty, without even a header"):
        lead_lines(tmp_path, "")
    with pytest.raises(DriftError, match="first line is empty"):
        lead_lines(tmp_path, "\n\n")


def test_a_file_with_bad_rows_only_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"none of its 2 rows can be read; line 2: .*'01.02.2026'.*set date_format"):
        lead_lines(tmp_path, "id,created\na,01.02.2026\nb,02.02.2026\n")


def test_strict_mappings_stop_at_the_first_bad_row(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match=r"leads.csv: line 3: lead_id \(id\) is empty \(the mapping is strict"):
        lead_lines(tmp_path, "id,created\na,2026-01-01\n,2026-01-01\n", strict=True)


def test_bad_rows_are_all_counted_and_the_first_are_told(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("id,created\na,2026-01-01\n" + ",2026-01-01\n" * 500)
    _, tally = swept(tmp_path, LEADS)
    assert (tally.bad_row_count, len(tally.bad_rows)) == (500, tally.KEPT_BAD_ROWS)


def test_packed_files(tmp_path: Path) -> None:
    import gzip

    packed = gzip.compress(b"id,created\n" + b"".join(b"a%d,2026-01-01\n" % i for i in range(5000)))
    (tmp_path / "leads.csv.gz").write_bytes(packed)
    table, _ = swept(tmp_path, {**LEADS, "path": "*.csv.gz"})
    assert table.num_rows == 5000
    (tmp_path / "leads.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DriftError, match=r"leads.csv.gz: it cannot be read to its end"):
        swept(tmp_path, {**LEADS, "path": "*.csv.gz"})


def test_every_data_file_of_a_zip_is_a_file_of_its_own(tmp_path: Path) -> None:
    day = "id,created\n{0},2026-09-0{1}\nx,2026-09-0{1}\n"
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("part10.csv", day.format("b", 2))
        packed.writestr("part9.csv", day.format("a", 1) + "c,never\n")
        packed.writestr("read me.pdf", "no table")
        packed.writestr("__MACOSX/._part9.csv", "no table")
        packed.writestr("folder/", "")
    table, tally = swept(tmp_path, {**LEADS, "path": "*.zip", "format": "csv"})
    assert [(row["lead_id"], row["_file"], row["_line"]) for row in table.to_pylist()] == [
        ("a", "two.csv.zip/part9.csv", 2), ("b", "two.csv.zip/part10.csv", 2), ("x", "two.csv.zip/part10.csv", 3),
    ]  # fmt: skip
    assert tally.bad_rows[0].startswith("crm: two.csv.zip/part9.csv, line 4: created_at (created) 'never'")
    content = (tmp_path / "two.csv.zip").read_bytes()
    (tmp_path / "two.csv.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(DriftError, match=r"two.csv.zip: not a whole zip file"):
        swept(tmp_path, {**LEADS, "path": "*.zip", "format": "csv"})
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as packed:
        packed.writestr("a.pdf", "")
        packed.writestr("b.pdf", "")
    with pytest.raises(DriftError, match=r"two.csv.zip: there is no csv file in it"):
        swept(tmp_path, {**LEADS, "path": "*.zip", "format": "csv"})


def test_no_file_and_unset_variables_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'crm': no file matches 'drops/[*].csv'"):
        swept(tmp_path, {**LEADS, "path": "drops/*.csv"})
    with pytest.raises(ConfigError, match=r"needs the variable SOME_FOLDER, which is not set"):
        swept(tmp_path, {**LEADS, "path": "${SOME_FOLDER}/leads.csv"})
    (tmp_path / "leads.csv").mkdir()
    with pytest.raises(ConfigError, match="it is a folder; add /"):
        swept(tmp_path, LEADS)
