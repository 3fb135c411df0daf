"""Read an exported JSONL file into an archive."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from convai_async.archive._batches import report_progress, split_into_batches
from convai_async.archive._errors import ArchiveError
from convai_async.archive._formats import _jsonl
from convai_async.archive._formats._files import open_decompressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from convai_async.archive._formats._jsonl import Line
    from convai_async.archive._writer import ArchiveWriter

_logger = logging.getLogger("convai_async")


def import_file(
    file: Path,
    open_writer: Callable[[str], AbstractContextManager[ArchiveWriter]],
    progress: Callable[[int], None] | None,
) -> int:
    """Import a file into an archive: see `Archive.import_`.

    Args:
        file: The file.
        open_writer: Opens the archive for writing, given the address of the service that the file comes from.
        progress: Called with the number of conversations so far.
    """
    with open_decompressed(file) as stream:
        lines = report_progress(_jsonl.read(file, stream), progress)
        first = next(lines, None)
        if first is None:
            raise ArchiveError(f"{str(file)!r} contains no conversations")
        count = skipped = 0
        with open_writer(first.source) as writer:
            for batch in split_into_batches(_check_source(first, lines, file)):
                deleted = writer.store([update for line in batch for update in _jsonl.build_updates(line, file)])
                stored = sum(line.conversation_id not in deleted for line in batch)
                count += stored
                skipped += len(batch) - stored
        if skipped:
            _logger.warning(
                "%r: %d of %d conversations were not stored, since they were deleted from the archive before",
                str(file),
                skipped,
                count + skipped,
            )
        return count


def _check_source(first: Line, lines: Iterable[Line], file: Path) -> Iterator[Line]:
    yield first
    for line in lines:
        if line.source != first.source:
            raise ArchiveError(f"{str(file)!r} mixes conversations from {first.source} and from {line.source}")
        yield line
