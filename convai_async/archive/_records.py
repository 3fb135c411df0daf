"""The updates that a harvest writes to an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json
from convai_async.archive._schema._facts import Facts, read_facts
from convai_async.archive._schema._rows import (
    DetailValues,
    Row,
    get_inserted_columns,
    read_conversation,
    read_tool_calls,
    read_turns,
)
from convai_async.archive._schema._tables import TURNS
from convai_async.errors import DecodeError
from convai_async.models import Conversation, ConversationSummary
from convai_async.models.enums import FINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

_TURN_COLUMNS = get_inserted_columns(TURNS)


class ConversationUpdate(msgspec.Struct, frozen=True):
    """A fetched conversation, as rows.

    Hundreds of them wait to be written: models would keep the garbage collector busy.

    Attributes:
        conversation_id: The requested id.
        row: Its row of ``conversations``.
        turns: The values of its rows of ``turns``.
        tool_calls: The values of its rows of ``tool_calls``.
        facts: The values of its rows of `FACT_TABLES`; empty if it does not decode.
    """

    conversation_id: str
    row: Row
    turns: DetailValues
    tool_calls: DetailValues
    facts: Facts = ()

    @property
    def size(self) -> int:
        """The number of bytes of the document."""
        return len(self.row["raw"])

    @property
    def turn_count(self) -> int:
        """The number of turns."""
        return len(self.turns) // len(_TURN_COLUMNS)

    @property
    def messages(self) -> set[str | None]:
        """The messages of the turns."""
        return set(self.turns[_TURN_COLUMNS.index("message") :: len(_TURN_COLUMNS)])

    @property
    def is_undecodable(self) -> bool:
        """Whether the bytes could not be read into the columns."""
        return self.row["decode_error"] is not None

    @property
    def is_final(self) -> bool:
        """Whether its status is final."""
        return self.row["status"] in FINAL_STATUSES


class Recording(msgspec.Struct, frozen=True):
    """A saved recording.

    Attributes:
        path: Where it is: relative to the archive's folder, or a URL.
        size: Its size in bytes.
        sha256: The SHA-256 of its bytes, in hexadecimal.
        content_type: Its media type, as the service named it.
    """

    path: str
    size: int
    sha256: str
    content_type: str


class RecordingUpdate(msgspec.Struct, frozen=True):
    """A recording was saved, or the service has none.

    Attributes:
        conversation_id: The conversation's id.
        audio: The saved recording; None if the service has none.
        unix_secs: When that was found; None means now.
    """

    conversation_id: str
    audio: Recording | None
    unix_secs: int | None = None


class DeletionUpdate(msgspec.Struct, frozen=True):
    """The service has deleted a conversation.

    Attributes:
        conversation_id: The conversation's id.
        unix_secs: When that was found; None means now.
    """

    conversation_id: str
    unix_secs: int | None = None


class Failure(msgspec.Struct, frozen=True):
    """A conversation, recording or part of the list that could not be fetched or read.

    Attributes:
        conversation_id: The conversation's id; of a part of the list ``line:…`` or ``range:…``.
        error: The reason, in one sentence.
        attempts: How many requests were sent for it.
        part: ``"conversation"``, ``"audio"``, or ``"list"`` for a part of the list.
        summary: Its entry in the list, if it is known.
    """

    conversation_id: str
    error: str
    attempts: int
    part: Literal["conversation", "audio", "list"] = "conversation"
    summary: ConversationSummary | None = None


Update: TypeAlias = ConversationUpdate | RecordingUpdate | DeletionUpdate | Failure
"""A finding about one conversation, or one part of the list."""


def encode_summary(summary: ConversationSummary | None) -> bytes | None:
    """Return an entry of the list as the service sent it, or None for one that has only the id."""
    if summary is None or summary.raw_json:
        return None if summary is None else summary.raw_json
    is_known = summary != ConversationSummary(conversation_id=summary.conversation_id)
    return summary.to_json() if is_known else None


def is_same_entry(line: bytes, other: bytes | None) -> bool:
    """Return whether two entries of the list are equal, whatever the order of their fields; nulls do not count."""
    if line == other or other is None:
        return line == other
    meaning = _decode_fields(line)
    return meaning is not None and meaning == _decode_fields(other)


def _decode_fields(line: bytes) -> dict[str, Any] | None:
    fields = _decode_object(line)
    return None if fields is None else {name: value for name, value in fields.items() if value not in (None, [], {})}


def is_document_of(conversation_id: str, raw: bytes) -> bool:
    """Return whether bytes are a JSON object with this conversation's id.

    It need not be valid JSON: NaN, halves of surrogate pairs, a byte order mark and broken UTF-8 are accepted.
    """
    document = _decode_object(raw)
    return document is not None and document.get("conversation_id") == conversation_id


def _decode_object(raw: bytes) -> dict[str, Any] | None:
    try:
        document = decode_json(raw)
    except DECODE_ERRORS:
        return None
    return document if isinstance(document, dict) else None


def decode_update(
    summary: ConversationSummary, raw: bytes, unix_secs: int | None = None, *, from_webhook: bool = False
) -> ConversationUpdate | Failure:
    """Return the update for a document, also if it cannot be decoded; a failure if it is another conversation.

    Args:
        summary: The conversation's entry in the list.
        raw: The service's bytes.
        unix_secs: When it was fetched; None means now.
        from_webhook: Whether it came from a webhook.
    """
    try:
        conversation = Conversation.from_json(raw)
    except DecodeError as error:
        row = _build_row(summary, None, raw, unix_secs, from_webhook=from_webhook) | {"decode_error": str(error)}
        return ConversationUpdate(summary.conversation_id, row, (), ())
    if conversation.conversation_id != summary.conversation_id:
        return Failure(summary.conversation_id, "the response contains another conversation", 1, summary=summary)
    return build_update(summary, raw, conversation, unix_secs, from_webhook=from_webhook)


def build_update(
    summary: ConversationSummary,
    raw: bytes,
    conversation: Conversation,
    unix_secs: int | None = None,
    *,
    from_webhook: bool = False,
) -> ConversationUpdate:
    """Return the update of a conversation that is decoded already; the arguments are those of `decode_update`."""
    conversation_id = summary.conversation_id
    return ConversationUpdate(
        conversation_id,
        _build_row(summary, conversation, raw, unix_secs, from_webhook=from_webhook),
        read_turns(conversation_id, conversation),
        read_tool_calls(conversation_id, conversation),
        read_facts(conversation_id, conversation),
    )


def _build_row(
    summary: ConversationSummary,
    conversation: Conversation | None,
    raw: bytes,
    unix_secs: int | None,
    *,
    from_webhook: bool,
) -> Row:
    row = read_conversation(summary, conversation)
    row.update(
        raw=raw,
        decode_error=None,
        summary_json=encode_summary(summary),
        fetched_unix_secs=unix_secs,
        deleted_unix_secs=None,
        no_audio_unix_secs=None,
        from_webhook=from_webhook,
        raw_is_utf8=is_utf8(raw),
    )
    return row


def build_later_updates(
    conversation_id: str,
    *,
    recording: Recording | None,
    no_audio_unix_secs: int | None,
    deleted_unix_secs: int | None,
) -> Iterator[Update]:
    """Yield the updates with what was found out about a stored conversation after it was fetched."""
    if recording is not None:
        yield RecordingUpdate(conversation_id, recording)
    elif no_audio_unix_secs is not None:
        yield RecordingUpdate(conversation_id, None, no_audio_unix_secs)
    if deleted_unix_secs is not None:
        yield DeletionUpdate(conversation_id, deleted_unix_secs)


def is_utf8(raw: bytes) -> bool:
    """Return whether bytes are valid UTF-8."""
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
