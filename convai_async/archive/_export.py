"""Write what is in an archive to files for other programs, and read such a file back.

Memory stays the same however much there is. Nothing is overwritten unless that is asked for, and a file is complete
or not there.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

import msgspec

from convai_async._support.timestamps import utc_datetime
from convai_async.archive import _recordings
from convai_async.archive._database import ArchiveError
from convai_async.archive._files import check_destination, compressed, decompressed, new_file, new_folder
from convai_async.archive._records import DeletionUpdate, Failure, Recording, RecordingUpdate, Update, decode_update
from convai_async.archive._writer import ArchiveWriter
from convai_async.errors import ConfigurationError, DecodeError, InvalidArgumentError
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from convai_async.archive._reader import Archive, ArchivedConversation

T = TypeVar("T")

Table = Literal["conversations", "turns", "tool_calls"]

_BATCH = 500
_LONGEST_LINE = 256 * 1024**2
"""Bytes; what is compressed can unfold to any size."""
_ODD_STARTS = ("\t", "\r", "\n")
_FORMULA_STARTS = frozenset("=+-@＝＋－＠")  # noqa: RUF001 - where those are typed, spreadsheets take them too
_DEEPER = 100
_COMPRESSIONS = (".gz", ".zst")


_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What SQLite can hold."""


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of an exported JSONL file: a conversation, and what the archive knows of it beside.

    Attributes:
        source: The address of the service that it is of.
        conversation_id: Which one.
        fetched_unix_secs: When it was fetched.
        deleted_unix_secs: When the service was found to have it no more.
        no_audio_unix_secs: When the service was found to have no recording.
        audio: Its recording's path (from the archive's folder), size, SHA-256 and media type.
        from_webhook: Whether a webhook brought it.
        summary_json: Its entry in the list.
        listed: The same, as older versions named it; only read.
        conversation: The service's JSON, byte for byte.
        raw_base64: The same, when it does not fit into a line: with line breaks in it, or when it is no JSON.
    """

    source: str
    conversation_id: str
    fetched_unix_secs: _Integer
    deleted_unix_secs: _Integer | None = None
    no_audio_unix_secs: _Integer | None = None
    audio: tuple[str, _Integer, str, str] | None = None
    from_webhook: bool = False
    summary_json: msgspec.Raw = msgspec.Raw()
    listed: msgspec.Raw = msgspec.Raw()
    conversation: msgspec.Raw = msgspec.Raw()
    raw_base64: bytes | None = None


class Sink(Protocol):
    """What bytes can be written to: a file, or standard output."""

    def write(self, data: bytes, /) -> int:
        """Write bytes."""


def export(  # noqa: PLR0913 - each by its name
    archive: Archive,
    destination: str | os.PathLike[str],
    *,
    table: Table | None = None,
    partition: bool = False,
    overwrite: bool = False,
    agent_id: str | None = None,
    since: date | int | None = None,
    until: date | int | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write conversations to a file, in the format that its name ends with.

    - ``.jsonl``, also ``.jsonl.gz`` and ``.jsonl.zst``: a `Line` for each conversation, with the service's JSON
      byte for byte; `import_jsonl` reads it back.
    - ``.csv``, also ``.csv.gz`` and ``.csv.zst``: the rows of one table, less the JSON. Text that a spreadsheet
      would run as a formula has an apostrophe before it.
    - ``.parquet`` (needs the extra ``parquet``): a row for each conversation, less the JSON, with its turns and
      tool calls nested. A moment that no calendar has is null.

    Args:
        archive: What to export from.
        destination: The file to make; with ``partition``, the folder, whose name may end in anything.
        table: For CSV: which table; the conversations by default.
        partition: For Parquet: whether to make a folder with a part for each day (UTC) of ``date=2026-01-31``.
        overwrite: Whether a file that is there already is replaced; a folder never is.
        agent_id: Only conversations with this agent.
        since: Only those that started then or later: a datetime with a time zone, a date (UTC), or unix seconds.
        until: Only those that started before: the same forms.
        progress: Called with the number of rows so far.

    Returns:
        The number of rows.

    Raises:
        InvalidArgumentError: The name says no format, or is taken, or an option does not go with the format.
        ConfigurationError: The format needs an extra that is not installed.
        OSError: The file cannot be written.
    """
    path = Path(destination)
    compression = path.suffix if path.suffix in _COMPRESSIONS else ""
    kind = path.name.removesuffix(compression).rpartition(".")[2]
    if partition and kind not in {"jsonl", "csv"}:
        kind, compression = "parquet", ""
    if kind not in {"jsonl", "csv", "parquet"} or (kind == "parquet" and compression):
        raise InvalidArgumentError(
            "destination", f"{str(path)!r} must end in .jsonl, .csv (both also with .gz or .zst) or .parquet"
        )
    if table is not None and kind != "csv":
        raise InvalidArgumentError("table", "goes with .csv only: the other formats have all tables")
    if partition and kind != "parquet":
        raise InvalidArgumentError("partition", "goes with .parquet only")
    check_destination("destination", path, overwrite=overwrite, archive=archive.path)
    chosen: dict[str, Any] = {"agent_id": agent_id, "since": since, "until": until}
    if kind == "parquet":
        rows = _counted(_parquet_rows(archive, chosen), progress)
        return _export_parquet(archive, rows, path, partition=partition, overwrite=overwrite)
    with new_file(path, overwrite=overwrite) as file, compressed(file, compression) as stream:
        return _export_text(archive, stream, kind, table, chosen, progress)


def export_to_stream(  # noqa: PLR0913 - each by its name
    archive: Archive,
    stream: Sink,
    *,
    format: Literal["jsonl", "csv"] = "jsonl",  # noqa: A002 - what it is
    table: Table | None = None,
    agent_id: str | None = None,
    since: date | int | None = None,
    until: date | int | None = None,
) -> int:
    """Write conversations to a stream, such as ``sys.stdout.buffer``.

    Args:
        archive: What to export from.
        stream: Where to write; it is not closed.
        format: ``"jsonl"`` or ``"csv"``, as `export` writes them.
        table: For CSV: which table; the conversations by default.
        agent_id: Only conversations with this agent.
        since: Only those that started then or later: a datetime with a time zone, a date (UTC), or unix seconds.
        until: Only those that started before: the same forms.

    Returns:
        The number of rows.

    Raises:
        InvalidArgumentError: ``table`` does not go with the format.
        OSError: The stream cannot be written.
    """
    if table is not None and format != "csv":
        raise InvalidArgumentError("table", "goes with CSV only: JSONL has all tables")
    chosen: dict[str, Any] = {"agent_id": agent_id, "since": since, "until": until}
    return _export_text(archive, stream, format, table, chosen, None)


def _export_text(  # noqa: PLR0913, PLR0917 - passed on
    archive: Archive,
    stream: Sink,
    kind: str,
    table: Table | None,
    chosen: dict[str, Any],
    progress: Callable[[int], None] | None,
) -> int:
    if kind == "jsonl":
        return _write_lines(archive.source, _counted(archive.records(**chosen), progress), stream)
    return _write_csv(_counted(archive.rows(table or "conversations", **chosen), progress), stream)


def import_jsonl(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Read an exported JSONL file into an archive, in place of what is there of the same ids.

    Recordings are not in the file: their rows come back, and a harvest with audio fetches those whose files
    are missing. The file does not say of which workspace it is: import only what belongs into this archive.

    Args:
        archive: The archive's file; made when it is not there.
        path: What `export` wrote: ``.jsonl``, ``.jsonl.gz`` or ``.jsonl.zst``.
        progress: Called with the number of conversations so far.

    Returns:
        The number of conversations.

    Raises:
        ArchiveError: The archive cannot be written; or a line is none of ours, or of another source. What was
            read before stays.
        OSError: The file cannot be read.
    """
    file = Path(path)
    with decompressed(file) as stream:
        lines = _counted(_read_lines(file, stream), progress)
        first = next(lines, None)
        if first is None:
            raise ArchiveError(f"{str(file)!r} holds no conversation")
        with ArchiveWriter(archive, first.source) as writer:
            count = 0
            for batch in _batches(_same_source([first], lines, file)):
                writer.store([update for line in batch for update in _updates(line, file, writer.path.parent)])
                count += len(batch)
        return count


def _write_lines(source: str, records: Iterable[ArchivedConversation], stream: Sink) -> int:
    count = 0
    for record in records:
        stream.write(msgspec.json.encode(_line(source, record)) + b"\n")
        count += 1
    return count


def _line(source: str, record: ArchivedConversation) -> Line:
    line = Line(
        source=source,
        conversation_id=record.conversation_id,
        fetched_unix_secs=record.fetched_unix_secs,
        deleted_unix_secs=record.deleted_unix_secs,
        no_audio_unix_secs=record.no_audio_unix_secs,
        audio=record.audio,
        from_webhook=record.from_webhook,
    )
    if record.summary_json is not None:
        line.summary_json = msgspec.Raw(_fitting_into_a_line(record.summary_json))
    if _fits_into_a_line(record.raw):
        line.conversation = msgspec.Raw(record.raw)
    else:
        line.raw_base64 = record.raw
    return line


def _fitting_into_a_line(summary: bytes) -> bytes:
    """Return a list entry as the service sent it; text that JSON cannot hold is replaced."""
    return summary if _fits_into_a_line(summary) else ConversationSummary.from_json(summary).to_json()


def _fits_into_a_line(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw)
        # Deeper than in its line: whoever reads that has to get to its end.
        msgspec.json.decode(_DEEPER * b"[" + raw + _DEEPER * b"]")
    except (ValueError, RecursionError):
        return False
    return raw == raw.strip() and b"\n" not in raw and raw != b"null"


def _read_lines(file: Path, stream: IO[bytes]) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(Line)
    for number, text in enumerate(iter(lambda: stream.readline(_LONGEST_LINE + 1), b""), 1):
        if len(text) > _LONGEST_LINE:
            raise ArchiveError(f"line {number} of {str(file)!r} was not written by `export`: it is too long")
        try:
            line = decoder.decode(text)
        except (ValueError, RecursionError) as error:
            raise ArchiveError(f"line {number} of {str(file)!r} was not written by `export`: {error}") from error
        if line.audio is not None and not _recordings.is_recording(line.audio[0]):
            raise ArchiveError(f"line {number} of {str(file)!r} names no recording in audio/: {line.audio[0][:100]!r}")
        yield line


def _same_source(first: list[Line], lines: Iterator[Line], file: Path) -> Iterator[Line]:
    yield from first
    for line in lines:
        if line.source != first[0].source:
            raise ArchiveError(f"{str(file)!r} mixes conversations of {first[0].source} and of {line.source}")
        yield line


def _updates(line: Line, file: Path, folder: Path) -> Iterator[Update]:
    summary = ConversationSummary(conversation_id=line.conversation_id)
    if summary_json := bytes(line.summary_json) or bytes(line.listed):
        try:
            summary = ConversationSummary.from_json(summary_json)
        except DecodeError as error:
            raise ArchiveError(f"{str(file)!r}: `summary_json` of {line.conversation_id!r} is not a summary") from error
    raw = bytes(line.conversation) if line.raw_base64 is None else line.raw_base64
    conversation = decode_update(summary, raw, line.fetched_unix_secs, from_webhook=line.from_webhook)
    if isinstance(conversation, Failure) or summary.conversation_id != line.conversation_id:
        raise ArchiveError(f"{str(file)!r}: the line of {line.conversation_id!r} holds another conversation")
    yield conversation
    if line.audio is not None:
        relative, size, sha256, content_type = line.audio
        yield RecordingUpdate(line.conversation_id, Recording(folder / relative, size, sha256, content_type))
    elif line.no_audio_unix_secs is not None:
        yield RecordingUpdate(line.conversation_id, None, line.no_audio_unix_secs)
    if line.deleted_unix_secs is not None:
        yield DeletionUpdate(line.conversation_id, line.deleted_unix_secs)


def _write_csv(rows: Iterable[dict[str, Any]], stream: Sink) -> int:
    count = 0
    for row in rows:
        if count == 0:
            stream.write(_csv_line(row))
        stream.write(_csv_line(row.values()))
        count += 1
    return count


def _csv_line(values: Iterable[Any]) -> bytes:
    # Not by Python's csv: before 3.12 it has nulls in quotes too, where all text is, and so makes text of them.
    return (",".join(map(_csv_cell, values)) + "\r\n").encode()


def _csv_cell(value: Any) -> str:
    """Return a number as it is, nothing for None, and anything else as text in quotes.

    What callers say comes from strangers: =cmd|... must stay text where somebody opens the file, and a semicolon
    must not begin another cell.
    """
    if value is None or isinstance(value, (int, float)):
        return "" if value is None else str(value)
    text = str(value).replace('"', '""')
    return f'"\'{text}"' if _is_formula(text) else f'"{text}"'


def _is_formula(text: str) -> bool:
    first = next((char for char in text if char.isprintable() and not char.isspace()), "")
    return text.startswith(_ODD_STARTS) or first in _FORMULA_STARTS


def _parquet_rows(archive: Archive, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for row in archive.rows("conversations", **chosen):
        for table in ("turns", "tool_calls"):
            row[table] = archive.nested(table, row["conversation_id"])
        yield row


def _export_parquet(
    archive: Archive, rows: Iterable[dict[str, Any]], path: Path, *, partition: bool, overwrite: bool
) -> int:
    try:
        from convai_async.archive import _parquet  # noqa: PLC0415 - needs an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "files that end in .parquet need an extra: pip install 'convai-async[parquet]'"
        ) from error
    if not partition:
        with new_file(path, overwrite=overwrite) as file:
            return _parquet.write(_batches(rows), file, archive.path)
    count = 0
    with new_folder(path) as parts:
        # A day that no calendar has comes before the others, and after them.
        for number, (day, of_the_day) in enumerate(groupby(rows, key=_day)):
            folder = parts / f"date={day}"
            folder.mkdir(mode=0o700, exist_ok=True)
            with new_file(folder / f"part-{number}.parquet") as file:
                count += _parquet.write(_batches(of_the_day), file, archive.path)
    return count


def _day(row: dict[str, Any]) -> str:
    start = row["start_time_unix_secs"]
    moment = utc_datetime(start) if isinstance(start, int) else None
    return "unknown" if moment is None else str(moment.date())


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _counted(items: Iterable[T], progress: Callable[[int], None] | None) -> Iterator[T]:
    for number, item in enumerate(items, 1):
        yield item
        if progress is not None and number % _BATCH == 0:
            progress(number)
