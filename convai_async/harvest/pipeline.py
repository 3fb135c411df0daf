"""Read every conversation of a service into an archive.

One task lists, many fetch, one writes; queues between them are bounded, so memory does not grow with the
number of conversations. Whatever was fetched while a batch was being written is the next batch.
"""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import anyio
from anyio.to_thread import run_sync

from convai_async import calls
from convai_async._tasks import task_group
from convai_async.errors import AuthenticationError, ConvAIError, DecodeError, InvalidArgumentError, NotFoundError
from convai_async.harvest._rows import Failure, Fetched
from convai_async.harvest.archive import Archive
from convai_async.harvest.report import HarvestReport
from convai_async.models import ConversationSummary

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from convai_async.audio import SavedAudio
    from convai_async.calls import Response
    from convai_async.client import ConvAIClient
    from convai_async.models import Conversation
    from convai_async.pagination import Paginator

_LARGEST_BATCH = 200
_DEFAULT_CONCURRENCY = 64


async def harvest(  # noqa: PLR0913 - a harvest has many settings, each by its name
    client: ConvAIClient,
    path: str | os.PathLike[str],
    *,
    agent_id: str | None = None,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
    audio: bool = False,
    max_concurrency: int = _DEFAULT_CONCURRENCY,
    limit: int | None = None,
    source: str | None = None,
    progress: Callable[[HarvestReport], None] | None = None,
) -> HarvestReport:
    """Read conversations into the archive at ``path``; run it again to bring the archive up to date.

    Conversations that are in the archive and final (done or failed) are not fetched again. One that cannot be
    fetched is recorded, and does not stop the others. Cancelling is safe: what was written stays, and the next
    run goes on from there.

    Args:
        client: Whom to ask. Its own limits and retry policy hold.
        path: The archive; made when it is not there.
        agent_id: Only conversations with this agent.
        since: Only conversations that started then or later: a datetime with a time zone, or a date (UTC).
        until: Only conversations that started before: a datetime with a time zone, or a date (UTC).
        audio: Whether to save recordings too, as ``audio/<id>.mp3`` beside the archive.
        max_concurrency: The most conversations to fetch at the same time.
        limit: Look at so many conversations at most, the newest; None is no bound.
        source: What to note as the archive's origin; the client's ``base_url`` by default.
        progress: Called in the event loop whenever the counts have changed.

    Returns:
        What came of it.

    Raises:
        InvalidArgumentError: A time has no zone, or ``since`` is later than ``until``, or a number is too small.
        ArchiveError: The archive cannot be written, or the file is something else.
        AuthenticationError: The service does not accept the key: everything would fail.
        ConvAIError: The list cannot be read.
    """
    for name, number in (("max_concurrency", max_concurrency), ("limit", limit)):
        if number is not None and number < 1:
            raise InvalidArgumentError(name, f"must be at least 1, got {number}")
    span = _Span(_unix_seconds("since", since), _unix_seconds("until", until))
    if span.since is not None and span.until is not None and span.since >= span.until:
        raise InvalidArgumentError("since", f"{since} is not before until, {until}: nothing lies between")
    summaries = client.conversations.list(
        agent_id=agent_id, call_start_after_unix=span.since, call_start_before_unix=span.until
    )
    archive = await run_sync(Archive.create, path, source or client.base_url)
    try:
        run = _Run(client, archive, span, audio=audio, progress=progress)
        await run.harvest(summaries if limit is None else summaries.limit(limit), max_concurrency)
        return run.report
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(archive.close)


class _Span(NamedTuple):
    """A half-open stretch of time, in unix seconds; None is no bound."""

    since: int | None
    until: int | None

    def holds(self, moment: int | None) -> bool:
        """Tell whether a moment lies in it. The service does not document which of its bounds are inclusive."""
        if moment is None:
            return True
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)


def _unix_seconds(name: str, value: date | datetime | None) -> int | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime.combine(value, time_of_day(), UTC)
    return calls.unix_seconds(name, value, up=True)


class _Run:
    """One harvest: its tasks, and what they share."""

    def __init__(
        self,
        client: ConvAIClient,
        archive: Archive,
        span: _Span,
        *,
        audio: bool,
        progress: Callable[[HarvestReport], None] | None,
    ) -> None:
        self.report = HarvestReport()
        self._client = client
        self._archive = archive
        self._span = span
        self._audio_folder = archive.path.parent / "audio" if audio else None
        self._progress = progress
        self._started = time.monotonic()

    async def harvest(self, summaries: Paginator[ConversationSummary], max_concurrency: int) -> None:
        """List, fetch and write until everything is done."""
        to_fetch, wanted = anyio.create_memory_object_stream[ConversationSummary](2 * max_concurrency)
        to_write, results = anyio.create_memory_object_stream[Fetched | Failure](_LARGEST_BATCH)
        # A receiver outlives the tasks: closing it earlier would fail those that still send.
        async with results, wanted, task_group() as group, to_write, to_fetch:
            group.start_soon(self._write, results)
            for _ in range(max_concurrency):
                group.start_soon(self._fetch, wanted, to_write.clone())
            group.start_soon(self._list, summaries, to_fetch.clone())
        self._count()

    async def _list(
        self, summaries: Paginator[ConversationSummary], to_fetch: MemoryObjectSendStream[ConversationSummary]
    ) -> None:
        async with to_fetch, aclosing(summaries.pages()) as pages:
            async for page in pages:
                found = [summary for summary in page if self._span.holds(summary.start_time_unix_secs)]
                unchanged = await run_sync(self._unchanged, [summary.conversation_id for summary in found])
                self._count(found=len(found), unchanged=len(unchanged))
                for summary in found:
                    self.report.reached_unix_secs = summary.start_time_unix_secs
                    if summary.conversation_id not in unchanged:
                        await to_fetch.send(summary)
        self.report.listed = True

    def _unchanged(self, ids: list[str]) -> set[str]:
        final = self._archive.final_ids(ids)
        return final if self._audio_folder is None else final & self._archive.ids_with_audio(ids)

    async def _fetch(
        self,
        wanted: MemoryObjectReceiveStream[ConversationSummary],
        to_write: MemoryObjectSendStream[Fetched | Failure],
    ) -> None:
        async with to_write:
            async for summary in wanted:
                await to_write.send(await self._fetch_one(summary))

    async def _fetch_one(self, summary: ConversationSummary) -> Fetched | Failure:
        try:
            response = await self._client.send_raw(calls.get_conversation(summary.conversation_id))
            conversation, decode_error = _decoded(response)
            audio = await self._save_audio(conversation)
        except AuthenticationError:
            raise  # every other request would fail the same way
        except ConvAIError as error:
            return Failure(summary.conversation_id, str(error), error.attempts)
        return Fetched(summary, response.body, conversation, decode_error, audio)

    async def _save_audio(self, conversation: Conversation | None) -> SavedAudio | None:
        if self._audio_folder is None or conversation is None or not conversation.has_audio:
            return None
        await run_sync(_make_private_folder, self._audio_folder)
        destination = self._audio_folder / f"{quote(conversation.conversation_id, safe='')}.mp3"
        try:
            return await self._client.conversations.audio.download(
                conversation.conversation_id, destination, overwrite=True
            )
        except NotFoundError:
            return None

    async def _write(self, results: MemoryObjectReceiveStream[Fetched | Failure]) -> None:
        async for first in results:
            batch = [first]
            with suppress(anyio.WouldBlock, anyio.EndOfStream):
                while len(batch) < _LARGEST_BATCH:
                    batch.append(results.receive_nowait())
            await run_sync(self._archive.store, batch)
            fetched = [item for item in batch if isinstance(item, Fetched)]
            recordings = [item.audio for item in fetched if item.audio is not None]
            self._count(
                fetched=len(fetched),
                failed=len(batch) - len(fetched),
                undecodable=sum(item.conversation is None for item in fetched),
                recordings=len(recordings),
                bytes=sum(len(item.raw) for item in fetched) + sum(audio.size for audio in recordings),
            )

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            setattr(self.report, name, getattr(self.report, name) + number)
        self.report.seconds = time.monotonic() - self._started
        if self._progress is not None:
            self._progress(self.report)


def _decoded(response: Response[Conversation]) -> tuple[Conversation | None, str | None]:
    try:
        return response.decode(), None
    except DecodeError as error:
        return None, str(error)


def _make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
