"""The archive's writer stores updates, and answers the questions of a harvest."""

from __future__ import annotations

import sqlite3
import stat
from threading import Thread
from typing import TYPE_CHECKING

import msgspec
import pytest
from archives import ALL, SOURCE, SQLITE_ONLY, build_update, line_of, rows, summary

from convai_async.archive import Archive, ArchiveBusyError, ArchiveError, Failure, Window
from convai_async.archive._location import parse_location
from convai_async.archive._lookups import Scope
from convai_async.archive._records import (
    DeletionUpdate,
    Recording,
    RecordingUpdate,
    decode_update,
    is_document_of,
)
from convai_async.archive._writer import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["archive_fixtures"]


def test_new_archive_is_empty(reader: Archive) -> None:
    status = reader.status()
    assert (status.conversations, status.turns, status.failures, status.source) == (0, 0, 0, SOURCE)
    assert (status.oldest_unix_secs, status.newest_unix_secs) == (None, None)
    assert (status.windows, status.last_run) == ([], None)


@SQLITE_ONLY
def test_new_archive_is_readable_by_its_owner_only(writer: ArchiveWriter, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_repr_of_an_archive_is_where_it_is(reader: Archive, path: Path | str) -> None:
    assert repr(reader) == f"<Archive {str(parse_location(path))!r}>"


def test_storing_again_replaces_the_conversation_and_its_turns(writer: ArchiveWriter, path: Path | str) -> None:
    writer.store([build_update("conv_1", "a", "b", "c")])
    writer.store([build_update("conv_1", "d")])
    assert rows(path, "SELECT position, message FROM turns") == [(0, "d")]
    assert rows(path, "SELECT count(*) FROM conversations") == [(1,)]


def test_last_update_of_a_conversation_in_a_batch_wins(writer: ArchiveWriter, reader: Archive) -> None:
    writer.store([build_update("conv_1", status="processing"), build_update("conv_1", status="done")])
    assert reader.get("conv_1").status == "done"


def test_batch_with_an_invalid_row_is_not_written(writer: ArchiveWriter, reader: Archive) -> None:
    bad = msgspec.structs.replace(build_update("conv_2"), row=build_update("conv_2").row | {"from_webhook": None})
    with pytest.raises(ArchiveError, match=r"(?i)not[ -]null"):
        writer.store([build_update("conv_1", "a"), bad], [Window(0, 10)])
    assert reader.status().conversations == 0
    assert reader.status().turns == 0
    assert reader.status().windows == []


def test_only_done_and_failed_are_final(writer: ArchiveWriter, reader: Archive) -> None:
    statuses = ["done", "failed", "processing", "in-progress", "initiated", "archived"]
    writer.store([build_update(status, status=status) for status in statuses])
    assert {each.conversation_id for each in writer.find_unfinished(ALL)} == set(statuses) - {"done", "failed"}
    assert reader.status().final == 2


def test_find_unchanged_returns_final_conversations_whose_list_entry_is_the_same(writer: ArchiveWriter) -> None:
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
    assert writer.find_unchanged(lines) == {"conv_1"}


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
    assert writer.find_unchanged(summaries) == {"conv_0", "conv_1"}


def test_conversation_with_an_unreadable_list_entry_is_fetched_again(writer: ArchiveWriter) -> None:
    writer.store([build_update("conv_1", status="processing"), Failure("conv_2", "down", 1)])
    writer.store([Failure("line:1", "no id", 0, "list")])
    writer._connection.execute(
        "UPDATE conversations SET summary_json = ?", (b'{"conversation_id": "conv_1", "rating": "x"}',)
    )
    writer._connection.execute("UPDATE failures SET summary_json = ?", (b"\xff",))
    assert sorted(each.conversation_id for each in writer.find_unfinished(ALL)) == ["conv_1", "conv_2"]


def test_unreadable_list_entry_is_in_failures(writer: ArchiveWriter, reader: Archive) -> None:
    writer.store([Failure("line:1", "no id", 0, "list")])
    assert reader.failures() == [Failure("line:1", "no id", 0, "list")]
    assert reader.status().failures == 1


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
    writer: ArchiveWriter, reader: Archive, raw: bytes
) -> None:
    assert is_document_of("conv_1", raw)
    assert not is_document_of("conv_2", raw)
    writer.store([decode_update(line_of("conv_1"), raw)])
    (record,) = reader.records()
    assert record.raw == raw
    (row,) = reader.rows("conversations")
    assert row["decode_error"] is None


def test_document_that_does_not_decode_is_kept_with_the_reason(writer: ArchiveWriter, reader: Archive) -> None:
    raw = b'\xef\xbb\xbf{"conversation_id": "conv_1", "transcript": 5}'
    assert is_document_of("conv_1", raw)
    writer.store([decode_update(line_of("conv_1"), raw)])
    (record,) = reader.records()
    assert record.raw == raw
    (row,) = reader.rows("conversations")
    assert "$.transcript" in row["decode_error"]
    assert row["status"] == "done"


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"null", b"[]", b'"conv_1"', b"<html>conv_1", b"[" * 100_000, b'{"a": NaN}']
)
def test_document_without_the_conversation_id_is_refused(raw: bytes) -> None:
    assert not is_document_of("conv_1", raw)


def test_find_newest_returns_conversations_that_started_last_and_are_not_deleted(writer: ArchiveWriter) -> None:
    starts = {"old": 10, "new": 900, "in milliseconds": 900_000_000, "deleted": 950, "before time": -5}
    writer.store([build_update(each, start=start) for each, start in starts.items()])
    writer.store([DeletionUpdate("deleted")])
    assert writer.find_newest(2) == ["new", "old"]
    assert writer.find_newest(10) == ["new", "old", "in milliseconds", "before time"]


def test_failure_of_a_conversation_ends_when_a_webhook_brings_its_final_version(
    writer: ArchiveWriter, reader: Archive
) -> None:
    writer.store([Failure("conv_1", "down", 1)])
    writer.store_if_better(build_update("conv_1", "hello", status="processing"))
    assert len(reader.failures()) == 1
    writer.store_if_better(build_update("conv_1", "hello"))
    assert reader.failures() == []


def test_decode_error_ends_when_a_webhook_brings_a_better_version(writer: ArchiveWriter, path: Path | str) -> None:
    undecodable = b'{"conversation_id": "conv_1", "status": "processing", "transcript": "all lost"}'
    writer.store([decode_update(line_of("conv_1", status="processing"), undecodable)])
    assert rows(path, "SELECT decode_error IS NULL FROM conversations") == [(0,)]
    writer.store_if_better(build_update("conv_1", "hello"))
    assert rows(path, "SELECT decode_error IS NULL FROM conversations") == [(1,)]


@pytest.mark.parametrize("recorded", [(True, False), (False, True)])
def test_conversation_has_a_recording_once_one_of_its_versions_says_so(
    writer: ArchiveWriter, path: Path | str, recorded: tuple[bool, bool]
) -> None:
    for status, has_audio in zip(("processing", "done"), recorded, strict=True):
        writer.store_if_better(build_update("conv_1", "hello", status=status, has_audio=has_audio))
    assert rows(path, "SELECT has_audio FROM conversations") == [(1,)]


def test_failures_of_a_conversation_end_when_the_service_has_deleted_it(writer: ArchiveWriter, reader: Archive) -> None:
    writer.store([build_update("conv_1"), Failure("conv_1", "down", 1), Failure("conv_1", "down", 1, "audio")])
    writer.store([DeletionUpdate("conv_1")])
    assert reader.failures() == []


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
        assert set(writer.find_missing_audio(scope, ask_again_since=0)) == ids
        assert set(writer.find_absent(scope, {"10 agent_1"})) == ids - {"10 agent_1"}
        unfinished = {each.conversation_id for each in writer.find_unfinished(scope)}
        assert {each for each in unfinished if each.startswith("failed")} == {
            *(f"failed {each}" for each in ids),
            "failed",
        }
    assert set(writer.find_absent(Scope(Window(20, None)), ())) == {"20 agent_1", "20 agent_2"}
    assert writer.count_conversations() == 8


READS: list[Callable[[ArchiveWriter], object]] = [
    lambda writer: writer.get_windows(""),
    lambda writer: writer.get_newest_start(),
    lambda writer: writer.count_conversations(),
    lambda writer: writer.find_newest(1),
    lambda writer: writer.find_unchanged([summary("conv_1")]),
    lambda writer: writer.find_unfinished(ALL),
    lambda writer: writer.find_missing_audio(ALL, ask_again_since=0),
    lambda writer: writer.find_absent(ALL, ()),
    lambda writer: writer.scrub(),
    lambda writer: writer.begin_run(),
    lambda writer: writer.store([]),
    lambda writer: writer.close(),
]


def test_threads_take_turns_with_the_connection(writer: ArchiveWriter) -> None:
    for use in READS:
        thread = Thread(target=use, args=(writer,))
        with writer._lock:
            thread.start()
            thread.join(0.05)
            assert thread.is_alive()
        thread.join()


def test_successful_fetch_clears_the_failure(writer: ArchiveWriter, reader: Archive) -> None:
    writer.store([Failure("conv_1", "down", 3, summary=summary("conv_1", agent_name="Ann"))])
    writer.store([Failure("conv_1", "still down", 2), Failure("conv_1", "no disk", 1, "audio")])
    assert reader.failures() == [Failure("conv_1", "no disk", 1, "audio"), Failure("conv_1", "still down", 5)]
    assert writer.find_unfinished(ALL) == [summary("conv_1", agent_name="Ann")]
    writer.store([build_update("conv_1")])
    assert reader.failures() == [Failure("conv_1", "no disk", 1, "audio")]
    writer.store([RecordingUpdate("conv_1", None)])
    assert reader.failures() == []


def test_id_with_sql_in_it_is_only_data(writer: ArchiveWriter, reader: Archive) -> None:
    quoted = "x'); DROP TABLE turns; --"
    writer.store([build_update(quoted, "a")])
    assert writer.find_unchanged([line_of(quoted)]) == {quoted}
    assert reader.get(quoted).conversation_id == quoted


def test_written_conversations_are_there_after_reopening(path: Path | str) -> None:
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([build_update("conv_1", "a")], [Window(5, 9)])
    with ArchiveWriter(path, SOURCE) as again:
        assert again.get_windows("") == [Window(5, 9)]
    with Archive.open(path) as reader:
        assert reader.status().turns == 1


@SQLITE_ONLY
def test_closed_archive_is_one_file_beside_its_lock(writer: ArchiveWriter, path: Path) -> None:
    writer.close()
    assert {each.name for each in path.parent.iterdir()} == {"calls.db", "calls.db.lock"}


def test_windows_of_all_agents_count_for_each_agent(writer: ArchiveWriter, reader: Archive) -> None:
    writer.store([], [Window(10, 20), Window(20, 30)])
    writer.store([], [Window(30, 40)], agent_id="agent_1")
    assert writer.get_windows("") == [Window(10, 30)]
    assert writer.get_windows("agent_1") == [Window(10, 40)]
    assert writer.get_windows("agent_2") == [Window(10, 30)]
    assert reader.status().windows == [Window(10, 30)]


def test_run_is_recorded_with_its_report(writer: ArchiveWriter, reader: Archive) -> None:
    run = writer.begin_run()
    last = reader.status().last_run
    assert last is not None
    assert (last.started_unix_secs, last.ended_unix_secs, last.report) == (1000, None, None)
    writer.end_run(run, {"fetched": 3})
    last = reader.status().last_run
    assert last is not None
    assert (last.ended_unix_secs, last.report, last.error) == (1000, {"fetched": 3}, None)


def test_archive_can_be_written_after_a_run_has_ended(writer: ArchiveWriter, reader: Archive) -> None:
    writer.end_run(writer.begin_run(), {})
    writer.store([build_update("conv_1")])
    assert reader.status().conversations == 1


def test_archive_without_a_key_is_bound_when_it_is_told_to(path: Path | str) -> None:
    with ArchiveWriter(path, SOURCE) as writer:
        writer.store([build_update("conv_1")])
    for was_bound in (False, True):
        with ArchiveWriter(path, SOURCE, hash_api_key=lambda salt: salt[::-1]) as writer:
            assert writer.is_bound is was_bound
            writer.bind()
            assert writer.is_bound


def test_status_shows_the_error_that_ended_the_last_run(writer: ArchiveWriter, reader: Archive) -> None:
    writer.end_run(writer.begin_run(), {"fetched": 1}, error="the API key is not accepted")
    last = reader.status().last_run
    assert last is not None
    assert (last.report, last.error) == ({"fetched": 1}, "the API key is not accepted")


def test_reader_cannot_write_and_is_not_blocked_by_a_writer(writer: ArchiveWriter, reader: Archive) -> None:
    with pytest.raises((sqlite3.OperationalError, ArchiveError), match=r"read-?only"):
        reader._connection.execute("DELETE FROM turns")
    writer.store([build_update("conv_1", "a")])
    assert reader.status().conversations == 1


def test_second_exclusive_writer_is_refused_until_the_first_is_closed(path: Path | str) -> None:
    with (
        ArchiveWriter(path, SOURCE),
        pytest.raises(ArchiveBusyError, match=r"another process is writing to .*: wait for it, or stop it"),
    ):
        ArchiveWriter(path, SOURCE)
    ArchiveWriter(path, SOURCE).close()


@SQLITE_ONLY
def test_conversation_deleted_at_the_service_is_marked_or_removed(
    writer: ArchiveWriter, reader: Archive, path: Path
) -> None:
    recording = path.parent / "audio" / "a.mp3"
    recording.parent.mkdir()
    recording.write_bytes(b"ID3")
    writer.store(
        [
            build_update("conv_1", "a"),
            build_update("conv_2", "b"),
            RecordingUpdate("conv_2", Recording("audio/a.mp3", 3, "x", "audio/mpeg")),
        ]
    )
    writer.store([DeletionUpdate("conv_1")])
    assert reader.status().deleted == 1
    assert rows(path, "SELECT conversation_id, deleted_unix_secs FROM conversations") == [
        ("conv_1", 1000),
        ("conv_2", None),
    ]
    writer.store([DeletionUpdate("conv_2")], remove_deleted=True)
    assert rows(path, "SELECT conversation_id FROM conversations") == [("conv_1",)]
    assert rows(path, "SELECT conversation_id FROM turns") == [("conv_1",)]
    assert not recording.exists()
    writer.store([build_update("conv_1", "again")])
    assert reader.status().deleted == 0


@SQLITE_ONLY
def test_removed_conversation_leaves_no_bytes_in_the_files(writer: ArchiveWriter, reader: Archive, path: Path) -> None:
    writer.store([build_update("conv_1", "my secret hamster"), build_update("conv_2", "something else")])
    reader.close()
    assert writer.remove(["conv_1", "conv_3"]) == 1
    writer.close()
    left = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert b"something" in left
    assert b"hamster" not in left


@SQLITE_ONLY
def test_find_missing_audio_returns_conversations_whose_recording_is_not_on_disk(
    writer: ArchiveWriter, path: Path
) -> None:
    there = path.parent / "audio" / "a.mp3"
    there.parent.mkdir()
    there.write_bytes(b"ID3")
    ids = ["there", "removed", "none", "none lately", "not asked", "without"]
    writer.store(
        [build_update(each, start=100 if each == "none lately" else 50, has_audio=each != "without") for each in ids]
    )
    writer.store(
        [
            RecordingUpdate("there", Recording("audio/a.mp3", 3, "x", "audio/mpeg")),
            RecordingUpdate("removed", Recording("audio/b.mp3", 3, "x", "audio/mpeg")),
            RecordingUpdate("none", None),
            RecordingUpdate("none lately", None),
        ]
    )
    missing = writer.find_missing_audio(ALL, ask_again_since=90)
    assert sorted(missing) == ["none lately", "not asked", "removed"]
    assert writer.find_missing_audio(Scope(Window(0, None), "agent_2"), ask_again_since=90) == []


def test_response_of_another_conversation_is_a_failure_and_replaces_nothing(
    writer: ArchiveWriter, path: Path | str
) -> None:
    raw = msgspec.json.encode({"conversation_id": "conv_9", "transcript": [{"role": "user", "message": "hi"}]})
    writer.store([build_update("conv_1", "own")])
    writer.store([decode_update(summary("conv_1"), raw)])
    assert rows(path, "SELECT conversation_id, message FROM turns") == [("conv_1", "own")]
    assert rows(path, "SELECT conversation_id, error FROM failures") == [
        ("conv_1", "the response contains another conversation")
    ]


def test_number_that_no_column_can_hold_is_null_in_its_column(writer: ArchiveWriter, path: Path | str) -> None:
    raw = msgspec.json.encode({"conversation_id": "conv_1", "metadata": {"cost": 2**63, "call_duration_secs": 7}})
    writer.store([decode_update(summary("conv_1", message_count=2**70), raw), build_update("conv_2")])
    numbers = "SELECT cost, call_duration_secs, message_count FROM conversations WHERE conversation_id = 'conv_1'"
    assert rows(path, numbers) == [(None, 7, None)]
    with Archive.open(path) as archive:
        assert archive.get_raw("conv_1") == raw


def test_special_characters_and_large_numbers_are_stored_in_their_columns(
    writer: ArchiveWriter, path: Path | str, store: str
) -> None:
    said = ["a\x00b", "é🙂\u2028", "", 'quo"te\\', "\\u0000"]
    writer.store([build_update("conv_1", *said), build_update("conv_2", "plain", "")])
    giant = b'{"conversation_id": "conv_3", "transcript": [{"role": "user", "time_in_call_secs": 9999999999999999999}]}'
    writer.store([decode_update(summary("conv_3"), giant)])
    assert rows(path, "SELECT role, time_in_call_secs FROM turns WHERE conversation_id = 'conv_3'") == [("user", None)]
    held = [text.replace("\0", "\ufffd") if store == "postgres" else text for text in said]
    messages = "SELECT message FROM turns WHERE conversation_id = '{}' ORDER BY position"
    assert rows(path, messages.format("conv_1")) == [(text,) for text in held]
    assert rows(path, messages.format("conv_2")) == [("plain",), ("",)]


def test_stored_conversation_with_a_failure_is_fetched_again(writer: ArchiveWriter, reader: Archive) -> None:
    writer.store([build_update("conv_1")])
    writer.store([Failure("conv_1", "down", 1, summary=summary("conv_1", rating=3))])
    assert [each.conversation_id for each in writer.find_unfinished(ALL)] == ["conv_1"]
