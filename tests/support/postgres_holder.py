"""A process that has a workspace open for writing: ``python postgres_holder.py URL``.

It prints ``open``, or why it is not, then stores a conversation for each id that it reads, and prints ``stored`` or the
error.
"""

from __future__ import annotations

import sys
from contextlib import closing

from convai_async.archive import ArchiveError
from convai_async.archive._records import build_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.models import Conversation, ConversationSummary, TranscriptTurn

SOURCE = "https://api.elevenlabs.io"


def say(text: str) -> None:
    print(text, flush=True)


def store(writer: ArchiveWriter, conversation_id: str) -> None:
    said = (TranscriptTurn(role="user", message="hello"),)
    conversation = Conversation(conversation_id=conversation_id, status="done", transcript=said)
    summary = ConversationSummary(conversation_id=conversation_id)
    writer.store([build_update(summary, conversation.to_json(), conversation)])


def main(url: str) -> None:
    try:
        writer = ArchiveWriter(url, SOURCE)
    except ArchiveError as error:
        say(f"{type(error).__name__}: {error}")
        return
    with closing(writer):
        say("open")
        for line in sys.stdin:
            try:
                store(writer, line.strip())
            except ArchiveError as error:
                say(f"{type(error).__name__}: {error}")
            else:
                say("stored")


if __name__ == "__main__":
    main(sys.argv[1])
