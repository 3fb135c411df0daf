"""What the service sends: documents of the fake service, rendered once and read by everybody.

There are any number of conversations, each a minute older than the one before; every one looks like one of a few
hundred, but for its id and, in the list, its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from multidict import MultiDict

from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATES = 200
PAGE_SIZE = 100
TURNS = (20, 60, 180)
_NEWEST = 1_780_000_000
_SECONDS_APART = 60


class Documents(msgspec.Struct):
    """The documents.

    Attributes:
        typical: Conversations as the service writes them today.
        odd: The same with nulls for lists, integers as ``1.0``, tools without a type, and one in twenty in an older
            form, all of which have been seen.
        by_turns: A conversation by its number of turns.
        page: A page of the list.
    """

    typical: list[bytes]
    odd: list[bytes]
    by_turns: dict[int, bytes]
    page: bytes


def conversation_id(number: int) -> str:
    """Return the id of a conversation, of which 0 is the newest."""
    return f"conv_{number:020}"


def start_of(number: int) -> int:
    """Return when a conversation started, in unix seconds."""
    return _NEWEST - _SECONDS_APART * number


def number_at(unix_secs: int) -> int:
    """Return the newest conversation that did not start after a time."""
    return max(0, -((unix_secs - _NEWEST) // _SECONDS_APART))


def render(path: Path) -> None:
    """Render the documents into a file."""
    typical = FakeConvAI(conversations=TEMPLATES, quirks=False).conversations
    odd = FakeConvAI(conversations=TEMPLATES).conversations
    summaries, _ = typical.page(MultiDict(), PAGE_SIZE, None)
    page = {"conversations": summaries, "next_cursor": "a_cursor", "has_more": True}
    documents = Documents(
        typical=[typical.document(each) for each in typical],
        odd=[odd.document(each) for each in odd],
        by_turns={count: _with_turns(typical.details(next(iter(typical))), count) for count in TURNS},
        page=msgspec.json.encode(page),
    )
    path.write_bytes(msgspec.msgpack.encode(documents))


def read(path: Path) -> Documents:
    """Read the documents that were rendered into a file."""
    return msgspec.msgpack.decode(path.read_bytes(), type=Documents)


def _with_turns(conversation: dict[str, object], count: int) -> bytes:
    transcript = conversation["transcript"]
    if not isinstance(transcript, list):
        raise TypeError("a transcript is a list")
    repeated = transcript * (count // len(transcript) + 1)
    return msgspec.json.encode({**conversation, "transcript": repeated[:count]})
