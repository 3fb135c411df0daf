"""What a harvest finds out about a conversation, and the rows that the archive keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from convai_async._support.lenient_json import DECODE_ERRORS, decode_json
from convai_async.errors import DecodeError
from convai_async.models import Conversation, ConversationSummary, UnknownToolResult
from convai_async.models.enums import FINAL_STATUSES
from convai_async.streaming import SavedAudio

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]


class ConversationUpdate(msgspec.Struct, frozen=True):
    """A conversation as it came, as rows: hundreds wait to be written, and models would occupy the garbage collector.

    Attributes:
        conversation_id: The id that was asked for.
        row: Of ``conversations``.
        turns: The values of its rows of `TURN_COLUMNS`, one after the other.
        tool_calls: The values of its rows of `TOOL_CALL_COLUMNS`, one after the other.
    """

    conversation_id: str
    row: Row
    turns: list[Any]
    tool_calls: list[Any]

    @property
    def size(self) -> int:
        """The bytes that came."""
        return len(self.row["raw"])

    @property
    def undecodable(self) -> bool:
        """Whether the bytes could not be read into the columns."""
        return self.row["decode_error"] is not None

    @property
    def final(self) -> bool:
        """Whether it needs no second look."""
        return self.row["status"] in FINAL_STATUSES


class RecordingUpdate(msgspec.Struct, frozen=True):
    """A recording that was saved.

    Attributes:
        conversation_id: Whose recording.
        audio: The recording on disk; None when the service has none.
        unix_secs: When that was found out; None is now.
    """

    conversation_id: str
    audio: SavedAudio | None
    unix_secs: int | None = None


class DeletionUpdate(msgspec.Struct, frozen=True):
    """A conversation that the service has no more.

    Attributes:
        conversation_id: Which one.
        unix_secs: When that was found out; None is now.
    """

    conversation_id: str
    unix_secs: int | None = None


class Failure(msgspec.Struct, frozen=True):
    """Something that could not be fetched.

    Attributes:
        conversation_id: Of which conversation.
        error: Why, in one sentence.
        attempts: Requests that were sent for it.
        part: What of it: ``"conversation"`` or ``"audio"``; ``"list"`` is a part of the list that could not be read,
            whose id is ``line:…`` or ``range:…``.
        summary: Its line in the list, where that is known.
    """

    conversation_id: str
    error: str
    attempts: int
    part: Literal["conversation", "audio", "list"] = "conversation"
    summary: ConversationSummary | None = None


Update: TypeAlias = ConversationUpdate | RecordingUpdate | DeletionUpdate | Failure
"""What became of one conversation, or of its recording."""


def summary_json(summary: ConversationSummary | None) -> bytes | None:
    """Return a line of the list as the service sent it, or None for one that only has the id."""
    if summary is None or summary.raw_json:
        return None if summary is None else summary.raw_json
    is_known = summary != ConversationSummary(conversation_id=summary.conversation_id)
    return summary.to_json() if is_known else None


def is_same_line(line: bytes, other: bytes | None) -> bool:
    """Tell whether two lines of the list say the same, whatever the order of their fields, and nulls aside."""
    if line == other or other is None:
        return line == other
    meaning = _meaning(line)
    return meaning is not None and meaning == _meaning(other)


def _meaning(line: bytes) -> dict[str, Any] | None:
    fields = _decode_object(line)
    return None if fields is None else {name: value for name, value in fields.items() if value not in (None, [], {})}


def is_document_of(conversation_id: str, raw: bytes) -> bool:
    """Tell whether bytes are a JSON object of this conversation, whatever else is in it.

    It need not be valid JSON: NaN, halves of surrogate pairs, a byte order mark and broken UTF-8 are read over.
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
    """Return a conversation of these bytes, also when they do not decode; a failure when it is another one.

    Args:
        summary: Its line in the list.
        raw: The service's bytes.
        unix_secs: When it was fetched; None is now.
        from_webhook: Whether a webhook brought it.
    """
    try:
        conversation = Conversation.from_json(raw)
    except DecodeError as error:
        row = _listed_columns(summary) | {
            "raw": raw,
            "decode_error": str(error),
            "fetched_unix_secs": unix_secs,
            "from_webhook": from_webhook,
        }
        return ConversationUpdate(summary.conversation_id, row, [], [])
    if conversation.conversation_id != summary.conversation_id:
        return Failure(summary.conversation_id, "the reply is of another conversation", 1, summary=summary)
    return build_update(summary, raw, conversation, unix_secs, from_webhook=from_webhook)


def build_update(
    summary: ConversationSummary,
    raw: bytes,
    conversation: Conversation,
    unix_secs: int | None = None,
    *,
    from_webhook: bool = False,
) -> ConversationUpdate:
    """Return a conversation that was decoded already; the arguments are those of `decoded`."""
    row = _listed_columns(summary) | {"raw": raw, "fetched_unix_secs": unix_secs, "from_webhook": from_webhook}
    row |= {name: value for name, value in _details(conversation).items() if value is not None}
    for name, value in _unlisted(conversation).items():
        if row[name] is None:
            row[name] = value
    conversation_id = summary.conversation_id
    turns, tool_calls = _turns(conversation_id, conversation), _tool_calls(conversation_id, conversation)
    return ConversationUpdate(conversation_id, row, list(turns), list(tool_calls))


def _listed_columns(summary: ConversationSummary) -> Row:
    """Return the row of ``conversations`` as far as the list says it; the details say most of it again."""
    return {
        "conversation_id": summary.conversation_id,
        "agent_id": summary.agent_id,
        "agent_name": summary.agent_name,
        "user_id": None,
        "status": summary.status,
        "start_time_unix_secs": summary.start_time_unix_secs,
        "call_duration_secs": summary.call_duration_secs,
        "message_count": summary.message_count,
        "call_successful": summary.call_successful,
        "direction": summary.direction,
        "rating": summary.rating,
        "cost": None,
        "main_language": None,
        "termination_reason": None,
        "call_summary_title": summary.call_summary_title,
        "transcript_summary": summary.transcript_summary,
        "has_audio": False,
        "decode_error": None,
        "listed": summary_json(summary),
        "deleted_unix_secs": None,
        "no_audio_unix_secs": None,
        "from_webhook": False,
    }


def _details(conversation: Conversation) -> Row:
    metadata, analysis = conversation.metadata, conversation.analysis
    row: Row = {
        "agent_id": conversation.agent_id,
        "user_id": conversation.user_id,
        "status": conversation.status,
        "start_time_unix_secs": metadata.start_time_unix_secs,
        "call_duration_secs": metadata.call_duration_secs,
        "cost": metadata.cost,
        "main_language": metadata.main_language,
        "termination_reason": metadata.termination_reason,
        "has_audio": conversation.has_audio,
    }
    if analysis is not None:
        row |= {
            "call_successful": analysis.call_successful,
            "call_summary_title": analysis.call_summary_title,
            "transcript_summary": analysis.transcript_summary,
        }
    return row


def _unlisted(conversation: Conversation) -> Row:
    """Return what the list says of a conversation, as far as its details say it too."""
    metadata = conversation.metadata
    carriers = (metadata.phone_call, metadata.whatsapp, metadata.sms)
    said = sum(1 for turn in conversation.transcript if turn.message)
    counted = (conversation.user_message_count or 0) + (conversation.agent_message_count or 0)
    return {
        "agent_name": conversation.agent_name,
        "message_count": said or counted or None,  # a webhook can leave the transcript out
        "direction": next((found for each in carriers if (found := getattr(each, "direction", None))), None),
        "rating": metadata.feedback.rating,
    }


TURN_COLUMNS = ("conversation_id", "position", "role", "message", "time_in_call_secs", "interrupted", "llm")
TOOL_CALL_COLUMNS = (
    "conversation_id",
    "position",
    "turn_position",
    "request_id",
    "tool_name",
    "type",
    "params_as_json",
    "result_value",
    "is_error",
    "tool_latency_secs",
)


def _turns(conversation_id: str, conversation: Conversation) -> Iterator[Any]:
    for position, turn in enumerate(conversation.transcript):
        yield from (
            conversation_id,
            position,
            turn.role,
            turn.message,
            turn.time_in_call_secs,
            turn.interrupted,
            turn.llm_override,
        )


def _tool_calls(conversation_id: str, conversation: Conversation) -> Iterator[Any]:
    """Yield each call with its result, which can stand in a later turn."""
    results = {
        result.request_id: result
        for turn in conversation.transcript
        for result in turn.tool_results
        if not isinstance(result, UnknownToolResult)
    }
    calls = ((position, call) for position, turn in enumerate(conversation.transcript) for call in turn.tool_calls)
    for position, (turn_position, call) in enumerate(calls):
        result = results.get(call.request_id)
        yield from (
            conversation_id,
            position,
            turn_position,
            call.request_id,
            call.tool_name,
            call.type,
            call.params_as_json,
            None if result is None else result.result_value,
            None if result is None else result.is_error,
            None if result is None else result.tool_latency_secs,
        )
