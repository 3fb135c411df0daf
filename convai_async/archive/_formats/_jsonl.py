"""Write conversations as JSON lines, and read them."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import msgspec

from convai_async.archive import _recordings
from convai_async.archive._errors import ArchiveError
from convai_async.archive._int64 import Int64
from convai_async.archive._records import Failure, Recording, Update, build_later_updates, decode_update
from convai_async.errors import DecodeError
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from convai_async.archive._formats._files import Sink
    from convai_async.archive._reader import ArchivedConversation

_LONGEST_LINE = 256 * 1024**2
"""Bytes; a compressed line can unfold to any size."""
_DEEPER = 100


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of an exported file: a conversation with its metadata.

    Attributes:
        source: The address of the service.
        conversation_id: The conversation's id.
        fetched_unix_secs: When it was fetched.
        deleted_unix_secs: When it was found that the service has deleted it.
        no_audio_unix_secs: When it was found that the service has no recording.
        audio: Its recording's path (from the archive's folder) or URL, size, SHA-256 and media type.
        from_webhook: Whether it came from a webhook.
        summary_json: Its entry in the list.
        listed: Its entry in the list, in files of older versions.
        conversation: The service's JSON, byte for byte.
        raw_base64: The service's bytes, if they do not fit into a line: with line breaks, or not JSON.
    """

    source: str
    conversation_id: str
    fetched_unix_secs: Int64
    deleted_unix_secs: Int64 | None = None
    no_audio_unix_secs: Int64 | None = None
    audio: tuple[str, Int64, str, str] | None = None
    from_webhook: bool = False
    summary_json: msgspec.Raw = msgspec.Raw()
    listed: msgspec.Raw = msgspec.Raw()
    conversation: msgspec.Raw = msgspec.Raw()
    raw_base64: bytes | None = None


def write(source: str, records: Iterable[ArchivedConversation], stream: Sink) -> int:
    """Write a line for each conversation, and return how many there were."""
    count = 0
    for record in records:
        stream.write(msgspec.json.encode(_build_line(source, record)) + b"\n")
        count += 1
    return count


def read(file: Path, stream: IO[bytes]) -> Iterator[Line]:
    """Yield the lines of an exported file.

    Raises:
        ArchiveError: A line was not written by an export.
    """
    decoder = msgspec.json.Decoder(Line)
    for number, text in enumerate(iter(lambda: stream.readline(_LONGEST_LINE + 1), b""), 1):
        if len(text) > _LONGEST_LINE:
            raise ArchiveError(f"line {number} of {str(file)!r} was not written by `export`: it is too long")
        try:
            line = decoder.decode(text)
        except (ValueError, RecursionError) as error:
            raise ArchiveError(f"line {number} of {str(file)!r} was not written by `export`: {error}") from error
        if "\0" in line.conversation_id:  # nothing could find or delete it
            raise ArchiveError(f"line {number} of {str(file)!r} has an id with a NUL: {line.conversation_id[:100]!r}")
        if line.audio is not None and not _recordings.is_recording(line.conversation_id, line.audio[0]):
            raise ArchiveError(
                f"line {number} of {str(file)!r} names no recording of its conversation: {line.audio[0][:100]!r}"
            )
        yield line


def build_updates(line: Line, file: Path) -> Iterator[Update]:
    """Yield the updates that store a line.

    Args:
        line: The line.
        file: The file that it is from, for error messages.

    Raises:
        ArchiveError: The line contradicts itself.
    """
    summary = ConversationSummary(conversation_id=line.conversation_id)
    if summary_json := bytes(line.summary_json) or bytes(line.listed):
        try:
            summary = ConversationSummary.from_json(summary_json)
        except DecodeError as error:
            raise ArchiveError(f"{str(file)!r}: `summary_json` of {line.conversation_id!r} is not a summary") from error
    raw = bytes(line.conversation) if line.raw_base64 is None else line.raw_base64
    conversation = decode_update(summary, raw, line.fetched_unix_secs, from_webhook=line.from_webhook)
    if isinstance(conversation, Failure) or summary.conversation_id != line.conversation_id:
        raise ArchiveError(f"{str(file)!r}: the line of {line.conversation_id!r} contains another conversation")
    yield conversation
    yield from build_later_updates(
        line.conversation_id,
        recording=None if line.audio is None else Recording(*line.audio),
        no_audio_unix_secs=line.no_audio_unix_secs,
        deleted_unix_secs=line.deleted_unix_secs,
    )


def _build_line(source: str, record: ArchivedConversation) -> Line:
    line = Line(
        source=source,
        conversation_id=record.conversation_id,
        fetched_unix_secs=record.fetched_unix_secs,
        deleted_unix_secs=record.deleted_unix_secs,
        no_audio_unix_secs=record.no_audio_unix_secs,
        audio=None if record.recording is None else msgspec.structs.astuple(record.recording),
        from_webhook=record.from_webhook,
    )
    if record.summary_json is not None:
        line.summary_json = msgspec.Raw(_fit_into_line(record.summary_json))
    if _fits_into_line(record.raw):
        line.conversation = msgspec.Raw(record.raw)
    else:
        line.raw_base64 = record.raw
    return line


def _fit_into_line(summary: bytes) -> bytes:
    """Return a list entry as the service sent it; text that JSON cannot hold is replaced."""
    return summary if _fits_into_line(summary) else ConversationSummary.from_json(summary).to_json()


def _fits_into_line(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw)
        # Deeper than in its line: a reader has to get to the line's end.
        msgspec.json.decode(_DEEPER * b"[" + raw + _DEEPER * b"]")
    except (ValueError, RecursionError):
        return False
    return raw == raw.strip() and b"\n" not in raw and raw != b"null"
