"""Imports of damaged or malicious files, and exports that do no harm where they are opened."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pyarrow.parquet as pq
import pytest
from archives import import_file

from convai_async.archive import Archive, ArchiveError
from convai_async.archive._formats import _jsonl
from convai_async.archive._records import decode_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import ConversationSummary

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "https://api.elevenlabs.io"
LINE = {"source": SOURCE, "conversation_id": "c", "fetched_unix_secs": 1, "conversation": {"conversation_id": "c"}}
TEXT = (msgspec.json.encode(LINE) + b"\n") * 100


def deep(levels: int) -> bytes:
    return b'{"conversation_id":"c","x":' + b"[" * levels + b"]" * levels + b"}"


def archive_of(file: Path, **documents: bytes) -> Path:
    with ArchiveWriter(file, SOURCE) as writer:
        writer.store([decode_update(ConversationSummary(conversation_id=each), raw) for each, raw in documents.items()])
    return file


def started(conversation_id: str, start: int) -> bytes:
    return json.dumps({"conversation_id": conversation_id, "metadata": {"start_time_unix_secs": start}}).encode()


DAMAGED = {
    "cut.jsonl.gz": gzip.compress(TEXT)[:-20],
    "cut.jsonl.zst": zstd.compress(TEXT)[:-20],
    "flipped.jsonl.gz": gzip.compress(TEXT)[:15] + b"\xff\xff\xff" + gzip.compress(TEXT)[18:],
    "flipped.jsonl.zst": zstd.compress(TEXT)[:4] + b"\xff" * 20,
    "sum.jsonl.gz": gzip.compress(TEXT)[:-8] + b"x" * 8,
    "plain.jsonl.gz": TEXT,
    "plain.jsonl.zst": TEXT,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file_is_reported_as_damaged(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(DAMAGED[name])
    with pytest.raises(ArchiveError, match=r"jsonl\.\w+' is damaged or cut off: "):
        import_file(tmp_path / "calls.db", file)


def test_compressed_file_with_a_giant_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jsonl, "_LONGEST_LINE", 1024**2)
    file = tmp_path / "bomb.jsonl.gz"
    file.write_bytes(gzip.compress(TEXT[:100] + b" " * 2 * 1024**2))
    with pytest.raises(ArchiveError, match=r"line 1 of .*bomb.* was not written by `export`: it is too long"):
        import_file(tmp_path / "calls.db", file)


@pytest.mark.parametrize(
    "line",
    [
        b'{"source":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        *(
            msgspec.json.encode(LINE | {field: number})
            for field in ("fetched_unix_secs", "deleted_unix_secs", "no_audio_unix_secs")
            for number in (2**63, 2**64 - 1)
        ),
        json.dumps(LINE | {"deleted_unix_secs": 10**30}).encode(),
        json.dumps(LINE | {"audio": ["audio/c.mp3", 10**30, "a", "b"]}).encode(),
    ],
    ids=len,
)
def test_line_that_sqlite_cannot_hold_is_refused_with_its_number(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line)
    with pytest.raises(ArchiveError, match=r"^line 1 of "):
        import_file(tmp_path / "calls.db", file)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"conversation": {"conversation_id": "other"}}, "the line of 'c' contains another conversation"),
        ({"summary_json": {"conversation_id": "other"}}, "the line of 'c' contains another conversation"),
        ({"listed": {"conversation_id": "other"}}, "the line of 'c' contains another conversation"),
        ({"conversation_id": "c\0"}, "has an id with a NUL"),
        ({"summary_json": None}, "`summary_json` of 'c' is not a summary"),
        ({"listed": None}, "`summary_json` of 'c' is not a summary"),
    ],
)
def test_line_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(msgspec.json.encode(LINE | changes))
    with pytest.raises(ArchiveError, match=problem):
        import_file(tmp_path / "calls.db", file)


INVALID_OR_DEEP = [b"", b"1,2", b"1],[1", b'{"a":1},{"b":2}', *map(deep, [10, *range(880, 1010, 10), 100_000])]


@pytest.mark.parametrize("raw", INVALID_OR_DEEP, ids=len)
def test_invalid_or_deeply_nested_json_survives_export_and_import_byte_for_byte(tmp_path: Path, raw: bytes) -> None:
    path = archive_of(tmp_path / "calls.db", c=raw)
    with Archive.open(path) as archive:
        archive.export(tmp_path / "a.jsonl")
    import_file(tmp_path / "copy.db", tmp_path / "a.jsonl")
    with Archive.open(tmp_path / "copy.db") as copy:
        assert copy.get_raw("c") == raw


def said(tmp_path: Path, *messages: str) -> list[dict[str, str]]:
    """Return the rows of an exported CSV file of turns."""
    turns = [{"role": "user", "message": message} for message in messages]
    path = archive_of(tmp_path / "calls.db", c=msgspec.json.encode({"conversation_id": "c", "transcript": turns}))
    with Archive.open(path) as archive:
        archive.export(tmp_path / "t.csv", table="turns")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


WIDE = "\uff1d\uff0b\uff0d\uff20"
FORMULAS = ["=1", "+1", "-1", "@A", "\t1", "\r1", "\n1", "  =1", "\u00a0=1", "\u200b=1", "\ufeff@A", *WIDE]


def test_csv_escapes_formulas_behind_spaces(tmp_path: Path) -> None:
    harmless = ["", " ", "a=1", "1-1", "é", "'=1"]
    rows = said(tmp_path, *FORMULAS, *harmless)
    assert [row["message"] for row in rows] == [*(f"'{text}" for text in FORMULAS), *harmless]


def test_csv_quotes_text_with_other_separators(tmp_path: Path) -> None:
    message = 'hello;=1\t=2,"=3"\n=4'
    (row,) = said(tmp_path, message)
    assert row["message"] == message
    header, line = (tmp_path / "t.csv").read_text().split("\n", 1)
    assert header.split(",")[:2] == ['"conversation_id"', '"position"']
    assert line.startswith('"c",0,"user","hello;=1\t=2,""=3""\n=4",,')


@pytest.mark.parametrize("start", [1_700_000_000_000, 10**18, 9 * 10**18, 10**30, -(10**15), -1, 0])
def test_start_outside_the_calendar_does_not_stop_an_export(tmp_path: Path, start: int) -> None:
    path = archive_of(
        tmp_path / "calls.db", ok=started("ok", 1_700_000_000), c=started("c", start), old=started("old", -(10**15))
    )
    with Archive.open(path) as archive:
        for name in ("a.jsonl", "a.csv", "a.parquet"):
            assert archive.export(tmp_path / name) == 3
        assert archive.export(tmp_path / "days.parquet", partition=True) == 3
    table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    rows = {row["conversation_id"]: row["start_time"] for row in table}
    assert rows["ok"] == datetime.fromtimestamp(1_700_000_000, UTC)
    assert rows["old"] is None
    assert (rows["c"] is None) is (start not in {-1, 0})
    with (tmp_path / "a.csv").open(newline="") as file:
        texts = {row["conversation_id"]: row["start_time"] for row in csv.DictReader(file)}
    assert texts == {name: "" if moment is None else moment.isoformat() for name, moment in rows.items()}
    days = {part.parent.name for part in (tmp_path / "days.parquet").rglob("*.parquet")}
    assert {"date=2023-11-14", "date=unknown"} <= days


def test_failed_partitioned_export_leaves_no_folder(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "calls.db", c=started("c", 0), d=started("d", 86_400))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE conversations SET agent_id = x'ff' WHERE conversation_id = 'd'")
    connection.close()
    before = sorted(tmp_path.iterdir())
    with (
        Archive.open(path) as archive,
        pytest.raises(ArchiveError, match="contains data that convai_async did not write"),
    ):
        archive.export(tmp_path / "a.parquet", partition=True)
    assert sorted(tmp_path.iterdir()) == before
