from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import re
import sqlite3
import stat
import sys
from typing import TYPE_CHECKING, Any, get_args

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from archives import import_file

from convai_async.archive import Archive, ArchiveError, store_conversation
from convai_async.archive._formats._export import EXPORTED_COLUMNS, Table
from convai_async.archive._formats._files import create_file
from convai_async.archive._records import DeletionUpdate, Recording, RecordingUpdate, decode_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import ConfigurationError, InvalidArgumentError
from convai_async.models import Conversation, ConversationSummary
from convai_async.testing import FakeConvAI

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = "sandbox:30"
UNUSUAL = {
    "conv_lines": b'{"conversation_id": "conv_lines",\n "transcript": []}\n',
    "conv_spaces": b'  {"conversation_id":\t"conv_spaces"}',
    "conv_exact": b'{"conversation_id": "conv_exact", "cost": 1.0, "z": 1e5, "a": "\\u00e9"}',
    "conv_broken": b'{"conversation_id": ',
    "conv_bytes": b"\xff\xfe",
    "conv_null": b"null",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    corpus = FakeConvAI(conversations=30).conversations
    file = tmp_path / "calls.db"
    with ArchiveWriter(file, SOURCE, clock=lambda: 5000.0) as writer:
        for conversation_id in corpus:
            start = corpus[conversation_id].start
            line = ConversationSummary(conversation_id=conversation_id, agent_name="Ann", start_time_unix_secs=start)
            writer.store([decode_update(line, corpus.document(conversation_id))])
        writer.store([decode_update(ConversationSummary(conversation_id=each), raw) for each, raw in UNUSUAL.items()])
        first, second, third, *_ = corpus
        writer.store(
            [
                RecordingUpdate(first, Recording("audio/a.mp3", 3, "abc", "audio/mpeg")),
                RecordingUpdate(second, None),
                DeletionUpdate(third),
            ]
        )
    return file


@pytest.fixture
def archive(path: Path) -> Iterator[Archive]:
    with Archive.open(path) as opened:
        yield opened


def dump(path: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(path)
    try:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
            for table in ("archive", "conversations", "tool_calls", "audio")
        } | {"turns": sorted(connection.execute("SELECT conversation_id, position, role, message FROM turns"))}
    finally:
        connection.close()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_import_of_an_export_gives_the_same_archive(archive: Archive, path: Path, tmp_path: Path, suffix: str) -> None:
    seen: list[int] = []
    exported = tmp_path / f"calls.jsonl{suffix}"
    assert archive.export(exported, progress=seen.append) == 36
    copy = tmp_path / "copy.db"
    assert import_file(copy, exported, progress=seen.append) == 36
    assert dump(copy) == dump(path)
    assert import_file(copy, exported) == 36, "once more changes nothing"
    assert dump(copy) == dump(path)
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600


def test_export_and_import_keep_that_a_webhook_stored_a_conversation(tmp_path: Path) -> None:
    path, copy = tmp_path / "hooks.db", tmp_path / "copy.db"
    store_conversation(path, Conversation(conversation_id="conv_1", status="done"), source=SOURCE, event_timestamp=7)
    with Archive.open(path) as archive:
        archive.export(tmp_path / "calls.jsonl")
        archive.export(tmp_path / "calls.parquet")
    import_file(copy, tmp_path / "calls.jsonl")
    assert dump(copy) == dump(path)
    with Archive.open(copy) as archive:
        (record,) = archive.records()
    assert (record.from_webhook, record.summary_json, record.fetched_unix_secs) == (True, None, 7)
    assert pq.read_table(tmp_path / "calls.parquet").to_pylist()[0]["from_webhook"] is True


def test_import_reads_list_entries_that_older_versions_exported_as_listed(tmp_path: Path) -> None:
    line = ConversationSummary(conversation_id="conv_1", agent_name="Ann", status="done", rating=4)
    with ArchiveWriter(tmp_path / "calls.db", SOURCE) as writer:
        writer.store([decode_update(line, b'{"conversation_id": "conv_1"}')])
    with Archive.open(tmp_path / "calls.db") as archive:
        archive.export(tmp_path / "calls.jsonl")
    older = tmp_path / "older.jsonl"
    older.write_bytes((tmp_path / "calls.jsonl").read_bytes().replace(b'"summary_json":', b'"listed":'))
    assert b'"listed":' in older.read_bytes()
    import_file(tmp_path / "copy.db", older)
    assert dump(tmp_path / "copy.db") == dump(tmp_path / "calls.db")


def test_exported_line_holds_the_json_of_the_service(archive: Archive, tmp_path: Path) -> None:
    archive.export(tmp_path / "calls.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    by_id = {line["conversation_id"]: line for line in lines}
    assert by_id["conv_exact"]["conversation"]["a"] == "é"
    assert UNUSUAL["conv_exact"] in (tmp_path / "calls.jsonl").read_bytes()
    assert {line["source"] for line in lines} == {SOURCE}
    assert "raw_base64" in by_id["conv_broken"]


def test_filters_select_the_exported_conversations(archive: Archive, tmp_path: Path) -> None:
    everything = list(archive.conversations())
    agent = next(each.agent_id for each in everything if each.agent_id)
    count = archive.export(tmp_path / "a.jsonl", agent_id=agent)
    assert count == sum(each.agent_id == agent for each in everything) < 36
    assert archive.export(tmp_path / "b.csv", agent_id=agent, until=0) == 0
    assert (tmp_path / "b.csv").read_text().startswith('"conversation_id","agent_id",'), "the header"
    assert archive.export(tmp_path / "c.jsonl", until=0) == len(UNUSUAL), "those without a start are in every range"


@pytest.mark.parametrize(
    ("table", "suffix"),
    [
        *itertools.product(("conversations", "turns", "tool_calls"), ("", ".gz", ".zst")),
        ("evaluation_results", ""),
        ("turn_metrics", ""),
    ],
)
def test_csv_holds_all_rows_of_a_table(archive: Archive, path: Path, tmp_path: Path, table: Any, suffix: str) -> None:
    file = tmp_path / f"t.csv{suffix}"
    count = archive.export(file, table=table)
    content = file.read_bytes()
    if suffix:
        content = {".gz": gzip.decompress, ".zst": zstd.decompress}[suffix](content)
    rows = list(csv.DictReader(content.decode().splitlines(keepends=True)))
    connection = sqlite3.connect(path)
    (expected,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    connection.close()
    assert len(rows) == count == expected > 0
    assert "conversation_id" in rows[0]
    assert "raw" not in rows[0]
    if table == "turns":
        said = {turn.message or "" for each in archive.conversations() for turn in each.transcript}
        assert {row["message"] for row in rows} == said


def test_csv_escapes_formulas(path: Path, tmp_path: Path) -> None:
    said = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "plain = text"]
    turns = [{"role": "user", "message": message} for message in said]
    raw = json.dumps({"conversation_id": "conv_x", "metadata": {"start_time_unix_secs": 1}, "transcript": turns})
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([decode_update(ConversationSummary(conversation_id="conv_x"), raw.encode())])
    with Archive.open(path) as archive:
        archive.export(tmp_path / "t.csv", table="turns", until=2)
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["message"] for row in rows] == [*(f"'{text}" for text in said[:5]), said[5]]


def test_parquet_has_typed_columns_and_nested_turns(archive: Archive, tmp_path: Path) -> None:
    assert archive.export(tmp_path / "calls.parquet") == 36
    table = pq.read_table(tmp_path / "calls.parquet")
    assert table.num_rows == 36
    rows = {row["conversation_id"]: row for row in table.to_pylist()}
    for conversation in archive.conversations():
        row = rows[conversation.conversation_id]
        assert [turn["message"] for turn in row["turns"]] == [turn.message for turn in conversation.transcript]
        assert row["start_time"] == conversation.start_time
        assert row["has_audio"] is conversation.has_audio
    calls = [call for row in rows.values() for call in row["tool_calls"]]
    assert {type(call["is_error"]) for call in calls} <= {bool, type(None)}
    columns = archive._connection.execute("SELECT name FROM pragma_table_info('conversations')").fetchall()
    names = [re.sub("(_time)?_unix_secs$", "_time", name) for (name,) in columns]
    exported = [name for name in names if name not in {"raw", "summary_json"}]
    assert table.column_names == [*exported, "turns", "tool_calls"]


def test_parquet_reads_the_rows_of_many_conversations_in_one_query(archive: Archive, tmp_path: Path) -> None:
    statements: list[str] = []
    assert isinstance(archive._reader.connection, sqlite3.Connection)
    archive._reader.connection.set_trace_callback(statements.append)
    assert archive.export(tmp_path / "calls.parquet") > 30
    assert [re.findall("FROM (turns|tool_calls) ", statement) for statement in statements].count(["turns"]) == 1
    assert len(statements) <= 10
    for row in pq.read_table(tmp_path / "calls.parquet").to_pylist():
        turns = archive.get_rows("turns", row["conversation_id"])
        assert [turn["position"] for turn in row["turns"]] == [turn["position"] for turn in turns]


def test_parquet_can_be_partitioned_by_day(archive: Archive, tmp_path: Path) -> None:
    assert archive.export(tmp_path / "calls.parquet", partition=True) == 36
    dataset = ds.dataset(tmp_path / "calls.parquet", partitioning="hive")
    table = dataset.to_table(columns=["conversation_id", "start_time", "date"])
    assert table.num_rows == 36
    days = {row["date"]: row["start_time"] for row in table.to_pylist()}
    assert len(days) > 5
    assert all(moment is None or f"{moment:%Y-%m-%d}" == str(day) for day, moment in days.items())


@pytest.mark.parametrize(
    ("name", "options", "parameter", "problem"),
    [
        ("calls.xlsx", {}, "destination", "must end in .jsonl, .csv"),
        ("calls", {}, "destination", "must end in"),
        ("calls.parquet.gz", {}, "destination", "must end in"),
        ("calls.db", {}, "destination", "must end in"),
        ("none/calls.csv", {}, "destination", "does not exist: create it first"),
        ("calls.jsonl", {"table": "turns"}, "table", "is only for .csv"),
        ("calls.csv", {"table": "audio"}, "table", "must be 'conversations', 'turns'"),
        ("calls.csv", {"partition": True}, "partition", "is only for .parquet"),
    ],
)
def test_invalid_export_arguments_are_refused_by_name(
    archive: Archive, tmp_path: Path, name: str, options: Any, parameter: str, problem: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{parameter}: .*{problem}"):
        archive.export(tmp_path / name, **options)


def test_table_or_format_that_cannot_be_exported_is_refused_by_name(archive: Archive) -> None:
    bad: Any = "audio"
    with pytest.raises(InvalidArgumentError, match=r"^table: "):
        archive.rows(bad)
    with pytest.raises(InvalidArgumentError, match=r"^table: "):
        archive.get_rows(bad, "conv_1")
    with pytest.raises(InvalidArgumentError, match=r"^table: "):
        archive.export_to_stream(io.BytesIO(), format="csv", table=bad)
    with pytest.raises(InvalidArgumentError, match=r"^format: "):
        archive.export_to_stream(io.BytesIO(), format=bad)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv.gz", "a.parquet"])
def test_existing_file_is_not_overwritten_and_failed_export_leaves_no_file(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    taken = tmp_path / name
    taken.write_bytes(b"precious")
    with pytest.raises(InvalidArgumentError, match=r"^destination: .*exists already"):
        archive.export(taken)
    assert taken.read_bytes() == b"precious"
    taken.unlink()
    before = set(tmp_path.iterdir())
    archive._connection.execute("PRAGMA query_only = OFF")
    archive._connection.execute("UPDATE archive SET source = 'x'")
    archive._connection.execute("DROP TABLE audio")
    archive._connection.execute("ALTER TABLE conversations RENAME TO lost")
    with pytest.raises(ArchiveError):
        archive.export(taken)
    assert set(tmp_path.iterdir()) == before
    archive._connection.rollback()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "contains no conversations"),
        (b"not json\n", "line 1 of .* was not written by `export`"),
        (b'{"source": "a"}\n', "line 1 of .* was not written by `export`: .*conversation_id"),
        (
            b"".join(
                b'{"source":"%s","conversation_id":"c","fetched_unix_secs":1,"conversation":{}}\n' % source
                for source in (b"a", b"b")
            ),
            "mixes conversations from a and from b",
        ),
    ],
)
def test_file_that_was_not_exported_is_refused_with_the_line_number(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)
    with pytest.raises(ArchiveError, match=problem):
        import_file(tmp_path / "copy.db", file)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [
        ("pyarrow", "a.parquet", "parquet"),
        pytest.param(
            *("backports.zstd", "a.jsonl.zst", "zstd"),
            marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python has zstd"),
        ),
    ],
)
def test_missing_extra_is_named(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
) -> None:
    monkeypatch.delitem(sys.modules, "convai_async.archive._formats._parquet", raising=False)
    monkeypatch.delattr("convai_async.archive._formats._parquet", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    if extra == "zstd":
        monkeypatch.delattr("backports.zstd", raising=False)
    with pytest.raises(ConfigurationError, match=rf"pip install 'convai-async\[{extra}\]'"):
        archive.export(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_file_that_appears_during_an_export_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"

    def write() -> None:
        with create_file(path) as file:
            file.write(b"mine")
            path.write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        write()
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_type_of_table_lists_all_exported_tables() -> None:
    assert get_args(Table) == tuple(EXPORTED_COLUMNS)
