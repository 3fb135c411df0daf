"""The archive keeps entries of the list byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archives import import_file

from convai_async.archive import Archive
from convai_async.archive._lookups import Scope
from convai_async.archive._records import decode_update
from convai_async.archive._windows import Window
from convai_async.archive._writer import ArchiveWriter
from convai_async.endpoints import list_conversations

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["archive_fixtures"]

PLAIN = b'{"conversation_id":  "plain", "new_field": 1.50, "status": "done", "call_duration_secs": 12.5}'
BROKEN = b'{"conversation_id": "broken", "new_field": NaN,\n "agent_name": "\xff", "status": "done"}'


def test_list_entries_are_kept_byte_for_byte(path: Path | str, tmp_path: Path) -> None:
    page = list_conversations().decode(b'{"conversations": [%s, %s]}' % (PLAIN, BROKEN))
    with ArchiveWriter(path, "sandbox:1") as writer:
        for summary in page:
            raw = b'{"conversation_id": "%s", "status": "done"}' % summary.conversation_id.encode()
            writer.store([decode_update(summary, raw)])
        assert writer.find_unchanged(page.items) == {"plain", "broken"}
        other = list_conversations().decode(b'{"conversations": [%s]}' % PLAIN.replace(b"12.5", b"12.6"))
        assert writer.find_unchanged(other.items) == set()
    with Archive.open(path) as archive:
        assert {record.conversation_id: record.summary_json for record in archive.records()} == {
            "plain": PLAIN,
            "broken": BROKEN,
        }
        archive.export(tmp_path / "calls.jsonl")
    import_file(tmp_path / "again.db", tmp_path / "calls.jsonl")
    with Archive.open(tmp_path / "again.db") as archive:
        lines = {record.conversation_id: record.summary_json for record in archive.records()}
    assert lines["plain"] == PLAIN
    assert lines["broken"] is not None
    assert '"agent_name":"\N{REPLACEMENT CHARACTER}"'.encode() in lines["broken"]


def test_list_entry_with_invalid_fields_is_read_back_for_the_next_harvest(path: Path | str) -> None:
    line = b'{"conversation_id": "c", "status": "processing", "start_time_unix_secs": 1000.5, "rating": "good"}'
    (summary,) = list_conversations().decode(b'{"conversations": [%s]}' % line)
    with ArchiveWriter(path, "sandbox:1") as writer:
        writer.store([decode_update(summary, b'{"conversation_id": "c", "status": "processing"}')])
        (again,) = writer.find_unfinished(Scope(Window(0, 2000)))
    assert again == summary
    assert again.raw_json == line
