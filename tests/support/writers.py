"""A process that writes to an archive again and again, beside others that do the same.

    python writers.py store NAME ARCHIVE SECONDS SOURCE
    python writers.py open NAME ARCHIVE SECONDS SOURCE

``store`` stores conversations as webhooks bring them, and prints how many. ``open`` opens the archive for itself,
again when it is busy, and prints how often, and how often somebody else had it open then.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from convai_async.archive import ArchiveBusyError, store_conversation
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import Conversation, TranscriptTurn

if TYPE_CHECKING:
    from collections.abc import Callable


def store(name: str, archive: Path, deadline: float, source: str) -> dict[str, int]:
    for count in itertools.count():
        if count > 0 and time.monotonic() > deadline:
            return {"stored": count}
        said = (TranscriptTurn(role="user", message=f"hello {count}"),)
        conversation = Conversation(conversation_id=f"hook_{name}_{count}", status="done", transcript=said)
        store_conversation(archive, conversation, source=source)
    raise AssertionError


def open_alone(_name: str, archive: Path, deadline: float, source: str) -> dict[str, int]:
    opened, met = 0, 0
    inside = archive.with_name("inside")
    while opened < 2 or time.monotonic() < deadline:
        try:
            with ArchiveWriter(archive, source):
                opened += 1
                try:
                    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    met += 1
                else:
                    inside.unlink()
        except ArchiveBusyError:
            continue
    return {"opened": opened, "met": met}


JOBS: dict[str, Callable[[str, Path, float, str], dict[str, int]]] = {"store": store, "open": open_alone}

if __name__ == "__main__":
    job, name, archive, seconds, source = sys.argv[1:]
    print(json.dumps(JOBS[job](name, Path(archive), time.monotonic() + float(seconds), source)))
