from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, date, datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from convai_async.archive import Archive, ArchiveBusyError, ArchiveError, Failure, Window
from convai_async.archive._lookups import Scope
from convai_async.archive._records import (
    ConversationUpdate,
    DeletionUpdate,
    Recording,
    RecordingUpdate,
    decode_update,
    is_document_of,
)
from convai_async.archive._schema import SCHEMA_VERSION
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import InvalidArgumentError
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = "https://api.elevenlabs.io"
ALL = Scope(Window(0, None))


def summary(conversation_id: str, **details: Any) -> ConversationSummary:
    return ConversationSummary(conversation_id=conversation_id, **details)


def build_update(
    conversation_id: str, *messages: str, status: str = "done", start: int = 0, **details: Any
) -> ConversationUpdate:
    document = {
        "conversation_id": conversation_id,
        "agent_id": "agent_1",
        "status": status,
        "metadata": {"start_time_unix_secs": start},
        "transcript": [{"role": "user", "message": message} for message in messages],
        **details,
    }
    raw = msgspec.json.encode(document)
    result = decode_update(line_of(conversation_id, status=status, start=start), raw)
    assert isinstance(result, ConversationUpdate)
    return result


def line_of(conversation_id: str, status: str = "done", start: int = 0) -> ConversationSummary:
    return summary(conversation_id, status=status, start_time_unix_secs=start)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def writer(path: Path) -> Iterator[ArchiveWriter]:
    with ArchiveWriter(path, SOURCE, clock=lambda: 1_000.0) as opened:
        yield opened


@pytest.fixture
def archive(writer: ArchiveWriter, path: Path) -> Iterator[Archive]:
    """What a reader sees of what the writer writes."""
    with Archive.open(path) as opened:
        yield opened


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_new_archive_is_empty_and_readable_by_its_owner_only(archive: Archive, path: Path) -> None:
    status = archive.status()
    assert (status.conversations, status.turns, status.failures, status.source) == (0, 0, 0, SOURCE)
    assert (status.oldest_unix_secs, status.newest_unix_secs) == (None, None)
    assert (status.windows, status.last_run) == ([], None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_storing_again_replaces_the_conversation_and_its_turns(writer: ArchiveWriter, path: Path) -> None:
    writer.store([build_update("conv_1", "a", "b", "c")])
    writer.store([build_update("conv_1", "d")])
    assert rows(path, "SELECT position, message FROM turns") == [(0, "d")]
    assert rows(path, "SELECT count(*) FROM conversations") == [(1,)]


def test_last_update_of_a_conversation_in_a_batch_wins(writer: ArchiveWriter, archive: Archive) -> None:
    writer.store([build_update("conv_1", status="processing"), build_update("conv_1", status="done")])
    assert archive.get("conv_1").status == "done"


def test_batch_with_an_invalid_row_is_not_written(writer: ArchiveWriter, archive: Archive) -> None:
    bad = msgspec.structs.replace(build_update("conv_2"), row=build_update("conv_2").row | {"raw": None})
    with pytest.raises(ArchiveError, match="NOT NULL"):
        writer.store([build_update("conv_1", "a"), bad], [Window(0, 10)])
    assert archive.status().conversations == 0
    assert archive.status().turns == 0
    assert archive.status().windows == []


def test_only_done_and_failed_are_final(writer: ArchiveWriter, archive: Archive) -> None:
    statuses = ["done", "failed", "processing", "in-progress", "initiated", "archived"]
    writer.store([build_update(status, status=status) for status in statuses])
    assert {each.conversation_id for each in writer.unfinished(ALL)} == set(statuses) - {"done", "failed"}
    assert archive.status().final == 2


def test_unchanged_returns_final_conversations_whose_list_entry_is_the_same(writer: ArchiveWriter) -> None:
    writer.store(
        [
            build_update("conv_1"),
            build_update("conv_2"),
            build_update("conv_3", status="processing"),
            build_update("conv_4"),
        ]
    )
    writer.store([DeletionUpdate("conv_4")])
    lines = [
        line_of("conv_1"),
        msgspec.structs.replace(line_of("conv_2"), rating=5),
        line_of("conv_3", status="processing"),
        line_of("conv_4"),
        summary("conv_5"),
    ]
    assert writer.unchanged(lines) == {"conv_1"}


def test_list_entries_are_compared_by_their_values(writer: ArchiveWriter) -> None:
    same = [
        b'{"rating":5,"status":"done","conversation_id":"%s"}',
        b'{ "conversation_id": "%s", "rating": 5.0, "x": null, "tags": [], "status": "done"}',
    ]
    different = [b'{"rating":4,"status":"done","conversation_id":"%s"}', b"{", b"5", b"[]", b"\xff"]
    summaries = []
    for number, line in enumerate([*same, *different]):
        conversation_id = f"conv_{number}"
        writer.store([build_update(conversation_id)])
        kept = line.replace(b"%s", conversation_id.encode())
        writer._connection.execute(
            "UPDATE conversations SET summary_json = ? WHERE conversation_id = ?", (kept, conversation_id)
        )
        summaries.append(summary(conversation_id, rating=5, status="done"))
    assert writer.unchanged(summaries) == {"conv_0", "conv_1"}


def test_conversation_with_an_unreadable_list_entry_is_fetched_again(writer: ArchiveWriter) -> None:
    writer.store([build_update("conv_1", status="processing"), Failure("conv_2", "down", 1)])
    writer.store([Failure("line:1", "no id", 0, "list")])
    writer._connection.execute(
        "UPDATE conversations SET summary_json = ?", (b'{"conversation_id": "conv_1", "rating": "x"}',)
    )
    writer._connection.execute("UPDATE failures SET summary_json = ?", (b"\xff",))
    assert sorted(each.conversation_id for each in writer.unfinished(ALL)) == ["conv_1", "conv_2"]


def test_unreadable_list_entry_is_in_failures(writer: ArchiveWriter, archive: Archive) -> None:
    writer.store([Failure("line:1", "no id", 0, "list")])
    assert archive.failures() == [Failure("line:1", "no id", 0, "list")]
    assert archive.status().failures == 1


@pytest.mark.parametrize(
    "raw",
    [
        b'{"conversation_id": "conv_1", "cost": NaN}',
        b'{"conversation_id": "conv_1", "cost": [Infinity, -Infinity]}',
        b'{"conversation_id": "conv_1", "title": "\\ud83d"}',
        b'{"conversation_id": "conv_1", "agent_name": "\xed\xa0\xbd"}',
        b'{"conversation_id": "conv_1", "agent_name": "\xff"}',
        b'\xef\xbb\xbf{"conversation_id": "conv_1", "cost": NaN}',
        b'{"conversation_id": "conv_1", "title": "a\nb"}',
    ],
)
def test_document_that_is_not_strict_json_is_decoded_and_kept_byte_for_byte(
    writer: ArchiveWriter, archive: Archive, raw: bytes
) -> None:
    assert is_document_of("conv_1", raw)
    assert not is_document_of("conv_2", raw)
    writer.store([decode_update(line_of("conv_1"), raw)])
    (record,) = archive.records()
    assert record.raw == raw
    (row,) = archive.rows("conversations")
    assert row["decode_error"] is None


def test_document_that_does_not_decode_is_kept_with_the_reason(writer: ArchiveWriter, archive: Archive) -> None:
    raw = b'\xef\xbb\xbf{"conversation_id": "conv_1", "transcript": 5}'
    assert is_document_of("conv_1", raw)
    writer.store([decode_update(line_of("conv_1"), raw)])
    (record,) = archive.records()
    assert record.raw == raw
    (row,) = archive.rows("conversations")
    assert "$.transcript" in row["decode_error"]
    assert row["status"] == "done"


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"null", b"[]", b'"conv_1"', b"<html>conv_1", b"[" * 100_000, b'{"a": NaN}']
)
def test_document_without_the_conversation_id_is_refused(raw: bytes) -> None:
    assert not is_document_of("conv_1", raw)


def test_newest_returns_conversations_that_started_last_and_are_not_deleted(writer: ArchiveWriter) -> None:
    starts = {"old": 10, "new": 900, "in milliseconds": 900_000_000, "deleted": 950, "before time": -5}
    writer.store([build_update(each, start=start) for each, start in starts.items()])
    writer.store([DeletionUpdate("deleted")])
    assert writer.newest(2) == ["new", "old"]
    assert writer.newest(10) == ["new", "old", "in milliseconds", "before time"]


def test_scope_selects_conversations_by_start_and_agent(writer: ArchiveWriter) -> None:
    for start in (9, 10, 19, 20):
        for agent in ("agent_1", "agent_2"):
            name = f"{start} {agent}"
            writer.store([build_update(name, status="processing", start=start, agent_id=agent, has_audio=True)])
            line = summary(f"failed {name}", start_time_unix_secs=start, agent_id=agent)
            writer.store([Failure(f"failed {name}", "down", 1, summary=line)])
    writer.store([Failure("failed", "down", 1), build_update("gone", start=15, has_audio=True), DeletionUpdate("gone")])
    window = Window(10, 20)
    both = {"10 agent_1", "19 agent_1", "10 agent_2", "19 agent_2"}
    for scope, ids in ((Scope(window), both), (Scope(window, "agent_1"), {"10 agent_1", "19 agent_1"})):
        assert set(writer.without_audio(scope, ask_again_since=0)) == ids
        assert set(writer.absent(scope, {"10 agent_1"})) == ids - {"10 agent_1"}
        unfinished = {each.conversation_id for each in writer.unfinished(scope)}
        assert {each for each in unfinished if each.startswith("failed")} == {
            *(f"failed {each}" for each in ids),
            "failed",
        }
    assert set(writer.absent(Scope(Window(20, None)), ())) == {"20 agent_1", "20 agent_2"}
    assert writer.count_conversations() == 8


READS: list[Callable[[ArchiveWriter], object]] = [
    lambda writer: writer.windows(""),
    lambda writer: writer.newest_start(),
    lambda writer: writer.count_conversations(),
    lambda writer: writer.newest(1),
    lambda writer: writer.unchanged([summary("conv_1")]),
    lambda writer: writer.unfinished(ALL),
    lambda writer: writer.without_audio(ALL, ask_again_since=0),
    lambda writer: writer.absent(ALL, ()),
    lambda writer: writer.scrub(),
    lambda writer: writer.begin_run(),
    lambda writer: writer.store([]),
    lambda writer: writer.close(),
]


def test_threads_take_turns_with_the_connection(writer: ArchiveWriter) -> None:
    for use in READS:
        thread = Thread(target=use, args=(writer,))
        with writer._turn:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join()


def test_successful_fetch_clears_the_failure(writer: ArchiveWriter, archive: Archive) -> None:
    writer.store([Failure("conv_1", "down", 3, summary=summary("conv_1", agent_name="Ann"))])
    writer.store([Failure("conv_1", "still down", 2), Failure("conv_1", "no disk", 1, "audio")])
    assert archive.failures() == [Failure("conv_1", "no disk", 1, "audio"), Failure("conv_1", "still down", 5)]
    assert writer.unfinished(ALL) == [summary("conv_1", agent_name="Ann")]
    writer.store([build_update("conv_1")])
    assert archive.failures() == [Failure("conv_1", "no disk", 1, "audio")]
    writer.store([RecordingUpdate("conv_1", None)])
    assert archive.failures() == []


def test_id_with_sql_in_it_is_only_data(writer: ArchiveWriter, archive: Archive) -> None:
    odd = "x'); DROP TABLE turns; --"
    writer.store([build_update(odd, "a")])
    assert writer.unchanged([line_of(odd)]) == {odd}
    assert archive.get(odd).conversation_id == odd


def test_written_conversations_are_there_after_reopening(path: Path) -> None:
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([build_update("conv_1", "a")], [Window(5, 9)])
    with ArchiveWriter(path, SOURCE) as again:
        assert again.windows("") == [Window(5, 9)]
    with Archive.open(path) as reader:
        assert reader.status().turns == 1
    assert {each.name for each in path.parent.iterdir()} == {"calls.db", "calls.db.lock"}


def test_windows_of_all_agents_count_for_each_agent(writer: ArchiveWriter, archive: Archive) -> None:
    writer.store([], [Window(10, 20), Window(20, 30)])
    writer.store([], [Window(30, 40)], agent_id="agent_1")
    assert writer.windows("") == [Window(10, 30)]
    assert writer.windows("agent_1") == [Window(10, 40)]
    assert writer.windows("agent_2") == [Window(10, 30)]
    assert archive.status().windows == [Window(10, 30)]


def test_run_is_recorded_with_its_report(writer: ArchiveWriter, archive: Archive) -> None:
    run = writer.begin_run()
    last = archive.status().last_run
    assert last is not None
    assert (last.started_unix_secs, last.ended_unix_secs, last.report) == (1000, None, None)
    writer.end_run(run, {"fetched": 3})
    last = archive.status().last_run
    assert last is not None
    assert (last.ended_unix_secs, last.report, last.error) == (1000, {"fetched": 3}, None)


def test_status_shows_the_error_that_ended_the_last_run(writer: ArchiveWriter, archive: Archive) -> None:
    writer.end_run(writer.begin_run(), {"fetched": 1}, error="the API key is not accepted")
    last = archive.status().last_run
    assert last is not None
    assert (last.report, last.error) == ({"fetched": 1}, "the API key is not accepted")


def test_reader_cannot_write_and_is_not_blocked_by_a_writer(writer: ArchiveWriter, archive: Archive) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        archive._connection.execute("DELETE FROM turns")
    writer.store([build_update("conv_1", "a")])
    assert archive.status().conversations == 1


def test_second_exclusive_writer_is_refused_until_the_first_is_closed(path: Path) -> None:
    with (
        ArchiveWriter(path, SOURCE),
        pytest.raises(ArchiveBusyError, match=r"another process is writing to .*: wait for it, or stop it"),
    ):
        ArchiveWriter(path, SOURCE)
    ArchiveWriter(path, SOURCE).close()


def test_conversation_deleted_at_the_service_is_marked_or_removed(
    writer: ArchiveWriter, archive: Archive, path: Path
) -> None:
    recording = path.parent / "audio" / "a.mp3"
    recording.parent.mkdir()
    recording.write_bytes(b"ID3")
    writer.store(
        [
            build_update("conv_1", "a"),
            build_update("conv_2", "b"),
            RecordingUpdate("conv_2", Recording(recording, 3, "x", "audio/mpeg")),
        ]
    )
    writer.store([DeletionUpdate("conv_1")])
    assert archive.status().deleted == 1
    assert rows(path, "SELECT conversation_id, deleted_unix_secs FROM conversations") == [
        ("conv_1", 1000),
        ("conv_2", None),
    ]
    writer.store([DeletionUpdate("conv_2")], forget=True)
    assert rows(path, "SELECT conversation_id FROM conversations") == [("conv_1",)]
    assert rows(path, "SELECT conversation_id FROM turns") == [("conv_1",)]
    assert not recording.exists()
    writer.store([build_update("conv_1", "again")])
    assert archive.status().deleted == 0


def test_removed_conversation_leaves_no_bytes_in_the_files(writer: ArchiveWriter, archive: Archive, path: Path) -> None:
    writer.store([build_update("conv_1", "my secret hamster"), build_update("conv_2", "something else")])
    archive.close()
    assert writer.forget(["conv_1", "conv_3"]) == 1
    writer.close()
    left = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert b"something" in left
    assert b"hamster" not in left


def test_without_audio_returns_conversations_whose_recording_is_not_on_disk(writer: ArchiveWriter, path: Path) -> None:
    there, removed = path.parent / "audio" / "a.mp3", path.parent / "audio" / "b.mp3"
    there.parent.mkdir()
    there.write_bytes(b"ID3")
    ids = ["there", "removed", "none", "none lately", "not asked", "without"]
    writer.store(
        [build_update(each, start=100 if each == "none lately" else 50, has_audio=each != "without") for each in ids]
    )
    writer.store(
        [
            RecordingUpdate("there", Recording(there, 3, "x", "audio/mpeg")),
            RecordingUpdate("removed", Recording(removed, 3, "x", "audio/mpeg")),
            RecordingUpdate("none", None),
            RecordingUpdate("none lately", None),
        ]
    )
    missing = writer.without_audio(ALL, ask_again_since=90)
    assert sorted(missing) == ["none lately", "not asked", "removed"]
    assert writer.without_audio(Scope(Window(0, None), "agent_2"), ask_again_since=90) == []


def test_reply_of_another_conversation_is_a_failure_and_replaces_nothing(writer: ArchiveWriter, path: Path) -> None:
    raw = msgspec.json.encode({"conversation_id": "conv_9", "transcript": [{"role": "user", "message": "hi"}]})
    writer.store([build_update("conv_1", "own")])
    writer.store([decode_update(summary("conv_1"), raw)])
    assert rows(path, "SELECT conversation_id, message FROM turns") == [("conv_1", "own")]
    assert rows(path, "SELECT conversation_id, error FROM failures") == [
        ("conv_1", "the reply is of another conversation")
    ]


def test_number_too_large_for_sqlite_is_null_in_its_column(writer: ArchiveWriter, path: Path) -> None:
    raw = msgspec.json.encode({"conversation_id": "conv_1", "metadata": {"cost": 2**63, "call_duration_secs": 7}})
    writer.store([decode_update(summary("conv_1", message_count=2**70), raw), build_update("conv_2")])
    assert rows(path, "SELECT cost, call_duration_secs, message_count FROM conversations LIMIT 1") == [(None, 7, None)]
    assert rows(path, "SELECT raw FROM conversations LIMIT 1") == [(raw,)]


def test_special_characters_and_large_numbers_are_stored_in_their_columns(writer: ArchiveWriter, path: Path) -> None:
    said = ["a\x00b", "é🙂\u2028", "", 'quo"te\\', "\\u0000"]
    writer.store([build_update("conv_1", *said), build_update("conv_2", "plain", "")])
    giant = b'{"conversation_id": "conv_3", "transcript": [{"role": "user", "time_in_call_secs": 9999999999999999999}]}'
    writer.store([decode_update(summary("conv_3"), giant)])
    assert rows(path, "SELECT role, time_in_call_secs FROM turns WHERE conversation_id = 'conv_3'") == [("user", None)]
    assert rows(path, "SELECT message FROM turns WHERE conversation_id = 'conv_1'") == [(text,) for text in said]
    assert rows(path, "SELECT message FROM turns WHERE conversation_id = 'conv_2'") == [("plain",), ("",)]


def test_stored_conversation_with_a_failure_is_fetched_again(writer: ArchiveWriter, archive: Archive) -> None:
    writer.store([build_update("conv_1")])
    writer.store([Failure("conv_1", "down", 1, summary=summary("conv_1", rating=3))])
    assert [each.conversation_id for each in writer.unfinished(ALL)] == ["conv_1"]


class TestReading:
    @pytest.fixture(autouse=True)
    def _calls(self, writer: ArchiveWriter) -> None:
        writer.store(
            [
                build_update("conv_1", "I want a refund, please", "Sofort zurück", start=100),
                build_update("conv_2", "No refund for the teapot", start=200),
                build_update("conv_3", "refunds and refunding", start=300, agent_id="agent_2"),
                decode_update(summary("conv_4", start_time_unix_secs=400), b'{"odd": 1}'),
            ]
        )

    def test_conversations_are_decoded_and_sorted_oldest_first(self, archive: Archive) -> None:
        assert [each.conversation_id for each in archive.conversations()] == ["conv_1", "conv_2", "conv_3"]
        assert [each.conversation_id for each in archive.conversations(agent_id="agent_1", since=200)] == ["conv_2"]
        assert [each.conversation_id for each in archive.conversations(until=200)] == ["conv_1"]

    def test_bounds_can_be_dates_and_datetimes(self, archive: Archive) -> None:
        at = datetime.fromtimestamp(200, UTC)
        assert [each.conversation_id for each in archive.conversations(since=at)] == ["conv_2", "conv_3"]
        assert [each.conversation_id for each in archive.conversations(until=at)] == ["conv_1"]
        assert list(archive.conversations(since=date(1970, 1, 2))) == []

    @pytest.mark.parametrize("bound", ["2026-05-01", datetime(2026, 5, 1)])  # noqa: DTZ001
    def test_bound_that_is_not_a_moment_is_refused_by_name(self, archive: Archive, bound: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^since: "):
            list(archive.conversations(since=bound))

    def test_get_returns_a_conversation_by_its_id(self, archive: Archive) -> None:
        assert archive.get("conv_1").transcript[0].message == "I want a refund, please"
        assert archive.get_raw("conv_4") == b'{"odd": 1}'
        with pytest.raises(ArchiveError, match="has no conversation 'conv_9'"):
            archive.get("conv_9")

    def test_records_include_undecodable_conversations_and_list_entries(self, archive: Archive) -> None:
        records = list(archive.records())
        assert [record.conversation_id for record in records] == ["conv_1", "conv_2", "conv_3", "conv_4"]
        assert records[3].raw == b'{"odd": 1}'
        assert records[0].summary_json is not None
        assert records[0].audio is None

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("refund", ["conv_2", "conv_1"]),
            ("REFUND", ["conv_2", "conv_1"]),
            ("refund*", ["conv_3", "conv_2", "conv_1"]),
            ("teapot refund", ["conv_2"]),
            ('"a refund"', ["conv_1"]),
            ('"refund a"', []),
            ("zuruck", ["conv_1"]),
            ("teapot OR nothing", []),
            ('"refund', ["conv_2", "conv_1"]),
            ("refund -teapot) NEAR(", []),
            ("a - refund", ["conv_1"]),
            ('refund "…" 🙂 ***', ["conv_2", "conv_1"]),
        ],
    )
    def test_search_finds_words_for_any_text(self, archive: Archive, text: str, found: list[str]) -> None:
        assert [hit.conversation_id for hit in archive.search(text)] == found

    def test_search_hit_has_role_message_and_time(self, archive: Archive) -> None:
        (hit,) = archive.search("teapot")
        assert (hit.role, hit.message, hit.position) == ("user", "No refund for the teapot", 0)
        assert (hit.start_time_unix_secs, hit.agent_id) == (200, "agent_1")

    def test_search_is_limited_by_agent_date_and_number(self, archive: Archive) -> None:
        assert [hit.conversation_id for hit in archive.search("refund*", agent_id="agent_2")] == ["conv_3"]
        assert [hit.conversation_id for hit in archive.search("refund*", since=150, until=300)] == ["conv_2"]
        assert len(list(archive.search("refund*", limit=1))) == 1

    @pytest.mark.parametrize("text", ["", "  ", '""', "***", "-"])
    def test_search_without_a_word_is_refused(self, archive: Archive, text: str) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^text: holds no word"):
            list(archive.search(text))

    @pytest.mark.parametrize(
        ("parameter", "arguments"),
        [
            ("text", {"text": "a\0b"}),
            ("text", {"text": "\udcff"}),
            ("agent_id", {"text": "a", "agent_id": "\udcff"}),
            ("limit", {"text": "a", "limit": 2**63}),
            ("limit", {"text": "a", "limit": -1}),
            ("since", {"text": "a", "since": 2**63}),
            ("until", {"text": "a", "until": -(2**64)}),
        ],
    )
    def test_argument_that_sqlite_cannot_take_is_refused_by_name(
        self, archive: Archive, parameter: str, arguments: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=f"^{parameter}: "):
            list(archive.search(**arguments))

    def test_id_that_is_not_valid_text_is_refused_by_name(self, archive: Archive) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^conversation_id: "):
            archive.get_raw("\udcff")

    def test_replaced_message_is_not_found(self, writer: ArchiveWriter, archive: Archive) -> None:
        writer.store([build_update("conv_2", "A kettle", start=200)])
        assert [hit.conversation_id for hit in archive.search("teapot")] == []
        assert [hit.conversation_id for hit in archive.search("kettle")] == ["conv_2"]


OPEN: list[Callable[[Path], object]] = [lambda path: ArchiveWriter(path, SOURCE), Archive.open]


@pytest.mark.parametrize("make", OPEN)
@pytest.mark.parametrize("content", [b"my thesis", b"x" * 10_000, b"SQLite format 3\x00 not really"])
def test_file_that_is_not_a_database_is_refused_and_not_changed(path: Path, content: bytes, make: Any) -> None:
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"is not a convai archive: name another file"):
        make(path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("make", OPEN)
def test_database_of_another_program_is_refused_and_not_changed(path: Path, make: Any) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="is a database, but not a convai archive"):
        make(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("make", OPEN)
def test_archive_of_a_newer_version_is_refused_with_advice(writer: ArchiveWriter, path: Path, make: Any) -> None:
    writer._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    writer.close()
    with pytest.raises(ArchiveError, match="pip install -U convai-async"):
        make(path)


def test_archive_of_another_source_is_refused_unless_it_is_empty(path: Path) -> None:
    ArchiveWriter(path, "https://wrong.example").close()
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([build_update("conv_1")])
    with pytest.raises(ArchiveError, match=f"of {SOURCE}, not of https://other.example: name another file"):
        ArchiveWriter(path, "https://other.example")


def test_invalid_paths_are_refused_with_advice(tmp_path: Path) -> None:
    for make in OPEN:
        with pytest.raises(ArchiveError, match=r"is a folder: name a file in it"):
            make(tmp_path)
        with pytest.raises(ArchiveError, match=r"does not exist: make it with `mkdir -p"):
            make(tmp_path / "none" / "calls.db")
    for missing in (Archive.open, lambda path: ArchiveWriter(path, SOURCE, create=False)):
        with pytest.raises(ArchiveError, match="there is no archive"):
            missing(tmp_path / "calls.db")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_file_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "loop.db").symlink_to("loop.db")
    with pytest.raises(ArchiveError, match=r"loop\.db' cannot be written: .*symbolic links"):
        ArchiveWriter(tmp_path / "loop.db", SOURCE)
