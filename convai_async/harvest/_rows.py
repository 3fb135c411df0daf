"""What a harvest finds out about a conversation, and the rows that the archive keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from convai_async.audio import SavedAudio
from convai_async.errors import DecodeError
from convai_async.models import Conversation, ConversationSummary, UnknownToolResult
from convai_async.models.enums import FINAL_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]


class Fetched(msgspec.Struct, frozen=True):
    """A conversation as it came.

    Attributes:
        summary: Its line in the list.
        raw: Its details, the service's bytes.
        conversation: The same, decoded; None when it does not decode.
        decode_error: Why not, or None.
        unix_secs: When it was fetched; None is now.
    """

    summary: ConversationSummary
    raw: bytes
    conversation: Conversation | None = None
    decode_error: str | None = None
    unix_secs: int | None = None

    @property
    def conversation_id(self) -> str:
        """The id that was asked for."""
        return self.summary.conversation_id

    @property
    def final(self) -> bool:
        """Whether it needs no second look."""
        status = self.summary.status if self.conversation is None else self.conversation.status
        return status in FINAL_STATUSES


class Recorded(msgspec.Struct, frozen=True):
    """A recording that was saved.

    Attributes:
        conversation_id: Whose recording.
        audio: The recording on disk; None when the service has none.
        unix_secs: When that was found out; None is now.
    """

    conversation_id: str
    audio: SavedAudio | None
    unix_secs: int | None = None


class Gone(msgspec.Struct, frozen=True):
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
        part: What of it: ``"conversation"`` or ``"audio"``.
        summary: Its line in the list, where that is known.
    """

    conversation_id: str
    error: str
    attempts: int
    part: Literal["conversation", "audio"] = "conversation"
    summary: ConversationSummary | None = None


Finding: TypeAlias = Fetched | Recorded | Gone | Failure
"""What became of one conversation, or of its recording."""


def listed(summary: ConversationSummary | None) -> bytes | None:
    """Return a line of the list as the archive keeps it: when it differs, the conversation has changed."""
    return None if summary is None else msgspec.json.encode(summary)


def decoded(summary: ConversationSummary, raw: bytes, unix_secs: int | None = None) -> Fetched:
    """Return a conversation of these bytes, also when they do not decode."""
    try:
        return Fetched(summary, raw, Conversation.from_json(raw), unix_secs=unix_secs)
    except DecodeError as error:
        return Fetched(summary, raw, decode_error=str(error), unix_secs=unix_secs)


def conversation_row(fetched: Fetched, now: int) -> Row:
    """Return the row of ``conversations``: the details, and from the list what only that says."""
    summary = fetched.summary
    row = {
        "conversation_id": fetched.conversation_id,
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
        "fetched_unix_secs": now if fetched.unix_secs is None else fetched.unix_secs,
        "decode_error": fetched.decode_error,
        "raw": fetched.raw,
        "listed": listed(summary),
        "deleted_unix_secs": None,
        "no_audio_unix_secs": None,
    }
    if fetched.conversation is not None:
        row |= {name: value for name, value in _details(fetched.conversation).items() if value is not None}
    return row


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


def turn_rows(conversation_id: str, conversation: Conversation) -> Iterator[Row]:
    """Yield the rows of ``turns``."""
    for position, turn in enumerate(conversation.transcript):
        yield {
            "conversation_id": conversation_id,
            "position": position,
            "role": turn.role,
            "message": turn.message,
            "time_in_call_secs": turn.time_in_call_secs,
            "interrupted": turn.interrupted,
            "llm": turn.llm_override,
        }


def tool_call_rows(conversation_id: str, conversation: Conversation) -> Iterator[Row]:
    """Yield the rows of ``tool_calls``: each call with its result, which can stand in a later turn."""
    results = {
        result.request_id: result
        for turn in conversation.transcript
        for result in turn.tool_results
        if not isinstance(result, UnknownToolResult)
    }
    position = 0
    for turn_position, turn in enumerate(conversation.transcript):
        for call in turn.tool_calls:
            result = results.get(call.request_id)
            yield {
                "conversation_id": conversation_id,
                "position": position,
                "turn_position": turn_position,
                "request_id": call.request_id,
                "tool_name": call.tool_name,
                "type": call.type,
                "params_as_json": call.params_as_json,
                "result_value": None if result is None else result.result_value,
                "is_error": None if result is None else result.is_error,
                "tool_latency_secs": None if result is None else result.tool_latency_secs,
            }
            position += 1
