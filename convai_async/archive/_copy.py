"""Copy an archive to another, also between SQLite and PostgreSQL, and verify the copy."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from convai_async.archive._batches import split_into_batches
from convai_async.archive._conditions import Condition
from convai_async.archive._errors import ArchiveError, translate_content_errors
from convai_async.archive._location import parse_location
from convai_async.archive._records import Update, build_later_updates, decode_update
from convai_async.archive._schema._tables import TABLES
from convai_async.archive._session import open_reader
from convai_async.archive._sql import BY_ID, encode_list
from convai_async.archive._windows import Window
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import InvalidArgumentError
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from convai_async.archive._location import ArchivePath
    from convai_async.archive._reader import ArchivedConversation, ArchiveReader

_KEYS = {
    "deleted_ids": ("id_sha256",),
    "failures": ("conversation_id", "part"),
    "steps": ("name",),
    "step_results": ("conversation_id", "step"),
    "step_jobs": ("conversation_id", "step"),
}
"""The tables that are copied row by row, with their keys."""


class CopyReport(msgspec.Struct, frozen=True):
    """The result of `copy_archive`.

    Attributes:
        conversations: The number of conversations in the source.
        copied: The number of those that the destination did not have yet.
        skipped: The number of those that are not in the copy, since they were deleted from the destination before.
        recordings: The number of their recordings in the copy. They stay where they are, and the copy has their URLs.
        sha256: The SHA-256 of the ids and documents in the copy, oldest conversations first, in hexadecimal.
    """

    conversations: int
    copied: int
    skipped: int
    recordings: int
    sha256: str


def copy_archive(
    source: ArchivePath, destination: ArchivePath, *, progress: Callable[[int], None] | None = None
) -> CopyReport:
    """Copy an archive to another, also between SQLite and PostgreSQL. Blocks: call it in a thread from asyncio code.

    Copies the conversations, the failures, the ranges of the list that were read, the steps with their results, and the
    hash of the API key. Each conversation is read again from the destination and compared, with its document byte for
    byte. A copy that was interrupted continues: conversations that the destination already has are only compared.
    Conversations that only the destination has stay there. Those that were deleted from the destination are not copied
    again. The copy also has the hashes of the ids that were deleted from the source, so that a late webhook does not
    store them in the copy.

    Args:
        source: The path or URL of the archive to copy. Other processes can write to it meanwhile: the copy has the
            conversations of the moment at which it began.
        destination: The path or URL of the copy; created if it does not exist.
        progress: A function that is called with the number of conversations so far, after each batch.

    Raises:
        ArchiveBusyError: Another process is harvesting into the destination.
        ArchiveError: The source cannot be read, the destination cannot be written or has conversations of another
            service, or a conversation in the destination differs after it was written.
        InvalidArgumentError: The destination is the source.
    """
    if parse_location(source) == parse_location(destination):
        raise InvalidArgumentError("destination", "must be another archive than the source")
    with (
        closing(open_reader(parse_location(source))) as reader,
        # Ranges of the list that are read meanwhile have conversations that the copy does not have.
        reader.snapshot(),
        ArchiveWriter(destination, reader.source()) as writer,
    ):
        report = _copy_conversations(reader, writer, progress)
        with translate_content_errors(reader.path):
            _copy_other_tables(reader, writer)
            _copy_windows(reader, writer)
        return report


def _copy_conversations(
    reader: ArchiveReader, writer: ArchiveWriter, progress: Callable[[int], None] | None
) -> CopyReport:
    digest = hashlib.sha256()
    conversations = copied = skipped = recordings = 0
    with closing(open_reader(writer.path)) as destination:
        for batch in split_into_batches(_read_all(reader)):
            deleted = writer.find_deleted({record.conversation_id for record in batch})
            kept = [record for record in batch if record.conversation_id not in deleted]
            copied += _copy_batch(kept, writer, destination)
            for record in kept:
                digest.update(record.conversation_id.encode() + b"\0" + record.raw)
            conversations += len(batch)
            skipped += len(deleted)
            recordings += sum(record.recording is not None for record in kept)
            if progress is not None:
                progress(conversations)
    return CopyReport(conversations, copied, skipped, recordings, digest.hexdigest())


def _copy_batch(batch: list[ArchivedConversation], writer: ArchiveWriter, destination: ArchiveReader) -> int:
    """Write the conversations that the destination does not have, and return how many there were.

    Raises:
        ArchiveError: One differs when it is read again.
    """
    present = _read_again(destination, batch)
    missing = [record for record in batch if present.get(record.conversation_id) != record]
    writer.store([update for record in missing for update in _build_updates(record)])
    written = _read_again(destination, missing)
    for record in missing:
        if written.get(record.conversation_id) != record:
            raise ArchiveError(
                f"the copy of {record.conversation_id!r} in {str(writer.path)!r} differs from the original: another"
                " process may have changed it, so run the same command again"
            )
    return len(missing)


def _read_all(reader: ArchiveReader) -> Iterator[ArchivedConversation]:
    folder = reader.path.parent.resolve() if isinstance(reader.path, Path) else None
    for record in reader.records(Condition("true", [])):
        if folder is None or record.recording is None or "://" in record.recording.path:
            yield record
        else:
            url = (folder / record.recording.path).as_uri()
            recording = msgspec.structs.replace(record.recording, path=url)
            yield msgspec.structs.replace(record, recording=recording)


def _read_again(reader: ArchiveReader, records: Sequence[ArchivedConversation]) -> dict[str, ArchivedConversation]:
    condition = Condition(BY_ID, [encode_list(record.conversation_id for record in records)])
    return {record.conversation_id: record for record in reader.records(condition)}


def _build_updates(record: ArchivedConversation) -> Iterator[Update]:
    summary = ConversationSummary(conversation_id=record.conversation_id)
    if record.summary_json is not None:
        summary = ConversationSummary.from_json(record.summary_json)
    yield decode_update(summary, record.raw, record.fetched_unix_secs, from_webhook=record.from_webhook)
    yield from build_later_updates(
        record.conversation_id,
        recording=record.recording,
        no_audio_unix_secs=record.no_audio_unix_secs,
        deleted_unix_secs=record.deleted_unix_secs,
    )


def _copy_other_tables(reader: ArchiveReader, writer: ArchiveWriter) -> None:
    for table in TABLES:
        if table.name in _KEYS:
            columns = [column.name for column in table.columns]
            rows = reader.iterate(f"SELECT {', '.join(columns)} FROM {table.name}", [])  # noqa: S608 - constants
            for batch in split_into_batches(rows):
                writer.store_rows(table.name, columns, _KEYS[table.name], batch)
    writer.copy_binding(*reader.read_binding())


def _copy_windows(reader: ArchiveReader, writer: ArchiveWriter) -> None:
    windows: dict[str, list[Window]] = {}
    for agent_id, start, end in reader.iterate("SELECT agent_id, start_unix_secs, end_unix_secs FROM windows", []):
        windows.setdefault(agent_id, []).append(Window(start, end))
    for agent_id, read in windows.items():
        writer.store([], read, agent_id=agent_id)
