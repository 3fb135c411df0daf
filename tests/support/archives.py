"""Archives in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from convai_async.archive import Archive, Window
from convai_async.archive._lookups import Scope
from convai_async.archive._records import ConversationUpdate, decode_update
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SQLITE_ONLY = pytest.mark.parametrize("store", ["sqlite"])
"""Marks tests of SQLite's files."""

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


def rows(path: Path | str, query: str) -> list[tuple[Any, ...]]:
    with Archive.open(path) as archive, archive.snapshot() as connection:
        return connection.execute(query).fetchall()


def import_file(archive: Path, file: Path, *, progress: Callable[[int], None] | None = None) -> int:
    """Import an exported file into an archive, which is made if it does not exist."""
    with Archive.open(archive, create=True) as opened:
        return opened.import_(file, progress=progress)
