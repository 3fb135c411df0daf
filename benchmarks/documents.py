"""The documents that the server sends: documents of the fake service, rendered once.

The server has any number of conversations, each one minute older than the previous one. Their documents repeat after
`TEMPLATES` conversations; only the id and, in the list, the start time differ.
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
    """The rendered documents.

    Attributes:
        typical: Conversations in the service's current format.
        with_quirks: The same with quirks of the real service: null for lists, integers as ``1.0``, tools without a
            type, and one in twenty in an older format.
        by_turns: A conversation by its number of turns.
        page: A page of the list.
    """

    typical: list[bytes]
    with_quirks: list[bytes]
    by_turns: dict[int, bytes]
    page: bytes


def conversation_id(number: int) -> str:
    """Return the id of a conversation; 0 is the newest one."""
    return f"conv_{number:020}"


def start_time_of(number: int) -> int:
    """Return when a conversation started, in Unix seconds."""
    return _NEWEST - _SECONDS_APART * number


def number_started_by(unix_secs: int) -> int:
    """Return the newest conversation that started at a time or before it, in Unix seconds."""
    return max(0, -((unix_secs - _NEWEST) // _SECONDS_APART))


def render(path: Path) -> None:
    """Render the documents to a file."""
    typical = FakeConvAI(conversations=TEMPLATES, quirks=False).conversations
    quirky = FakeConvAI(conversations=TEMPLATES).conversations
    summaries, _ = typical.page(MultiDict(), PAGE_SIZE, None)
    page = {"conversations": summaries, "next_cursor": "a_cursor", "has_more": True}
    documents = Documents(
        typical=[typical.document(each) for each in typical],
        with_quirks=[quirky.document(each) for each in quirky],
        by_turns={count: _repeat_turns(typical.details(next(iter(typical))), count) for count in TURNS},
        page=msgspec.json.encode(page),
    )
    path.write_bytes(msgspec.msgpack.encode(documents))


def read(path: Path) -> Documents:
    """Read rendered documents from a file."""
    return msgspec.msgpack.decode(path.read_bytes(), type=Documents)


def _repeat_turns(conversation: dict[str, object], count: int) -> bytes:
    transcript = conversation["transcript"]
    if not isinstance(transcript, list):
        raise TypeError("the transcript is not a list")
    repeated = transcript * (count // len(transcript) + 1)
    return msgspec.json.encode({**conversation, "transcript": repeated[:count]})
