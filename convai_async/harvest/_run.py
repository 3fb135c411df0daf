"""One run of the harvest: what its tasks do, and what they share."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio
from anyio.to_thread import run_sync

from convai_async import calls
from convai_async._tasks import task_group
from convai_async.errors import AuthenticationError, ConvAIError, NotFoundError, RateLimitError, TransportError
from convai_async.harvest import _recordings
from convai_async.harvest._jobs import Job, Outcome, Progress, completed
from convai_async.harvest._listing import Board, ListedWindow, Stretch, read_stretch
from convai_async.harvest._outages import Outages
from convai_async.harvest._queries import Scope
from convai_async.harvest._rows import Failure, Fetched, Finding, Gone, Recorded, decoded, is_of
from convai_async.harvest.report import HarvestReport
from convai_async.harvest.windows import BEGINNING, Window, without
from convai_async.models import ConversationSummary
from convai_async.models._time import credible_start, latest_start

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from datetime import timedelta

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from convai_async.client import ConvAIClient
    from convai_async.harvest._writer import ArchiveWriter

_LARGEST_BATCH = 100
_LONGEST_WAIT = 0.25
"""Seconds that an outcome waits for others to be written with it: a transaction for each would be twice the work."""
LISTERS = 16


class Run:
    """One harvest: its tasks, and what they share."""

    def __init__(  # noqa: PLR0913 - what its tasks share
        self,
        client: ConvAIClient,
        archive: ArchiveWriter,
        scope: Scope,
        *,
        prune: Literal["mark", "remove"] | None,
        progress: Callable[[HarvestReport], None] | None,
        stop: anyio.Event | None,
    ) -> None:
        self.report = HarvestReport()
        self._client = client
        self._archive = archive
        self._scope = scope
        self._prune = prune
        self._progress = progress
        self._stop = stop or anyio.Event()
        self._started = time.monotonic()
        self._outages = Outages(client, self._stop)
        self._looked_at: set[str] = set()
        self._room: int | None = None
        self._newest: int | None = None
        self._board = Board([])

    async def harvest(
        self, lookback: timedelta, max_concurrency: int, limit: int | None, *, audio: bool
    ) -> HarvestReport:
        """List, fetch and write until everything is done, or until it is asked to stop."""
        run_id = await run_sync(self._archive.begin_run)
        self._room = limit
        done = await run_sync(self._archive.windows, self._scope.agent_id)
        newest = await run_sync(self._archive.newest_start)
        again_from = BEGINNING if newest is None else newest - int(lookback.total_seconds())
        done = [Window(window.start, min(window.end or again_from, again_from)) for window in done]
        await self._list_and_fetch(without(self._scope.window, done), max_concurrency)
        if self._scope.window.end is None and self._newest is not None and not self._satisfied:
            # Calls that started since the list was begun.
            await self._list_and_fetch([Window(self._newest + 1, None)], max_concurrency)
        self.report.listed = not self._stop.is_set()
        if self._satisfied and self.report.reached_unix_secs is not None:
            self._scope = Scope(Window(self.report.reached_unix_secs, self._scope.window.end), self._scope.agent_id)
        await self._fetch_unfinished(max_concurrency)
        if audio:
            await self._fetch_audio(again_from, max_concurrency)
        self.report.interrupted = self._stop.is_set()
        self._count()
        await run_sync(self._archive.end_run, run_id, self.report)
        await run_sync(self._archive.scrub)
        return self.report

    @property
    def _satisfied(self) -> bool:
        """Whether as many conversations were looked at as were asked for."""
        return self._room is not None and self._room <= 0

    async def _list_and_fetch(self, windows: Iterable[Window], max_concurrency: int) -> None:
        self._board = Board(windows)

        async def produce(jobs: MemoryObjectSendStream[Job], outcomes: MemoryObjectSendStream[Outcome]) -> None:
            # In order to find the newest conversations, the list is read by one, from its end.
            listers = min(LISTERS, max_concurrency) if self._room is None else 1
            async with jobs, outcomes, task_group() as group:
                for _ in range(listers):
                    group.start_soon(self._list, self._board, jobs, outcomes)

        await self._work(produce, max_concurrency)

    async def _fetch_unfinished(self, max_concurrency: int) -> None:
        unfinished = await run_sync(self._archive.unfinished, self._scope)
        again = [summary for summary in unfinished if summary.conversation_id not in self._looked_at]
        self._count(found=len(again))
        await self._work_off([Job(summary, listed=False) for summary in again], max_concurrency)

    async def _fetch_audio(self, ask_again_since: int, max_concurrency: int) -> None:
        ids = await run_sync(lambda: self._archive.without_audio(self._scope, ask_again_since=ask_again_since))
        await run_sync(_recordings.make_folder, self._archive.path, ids)
        jobs = (Job(ConversationSummary(conversation_id=each), kind="audio") for each in ids)
        await self._work_off(jobs, max_concurrency)

    async def _work_off(self, every: Iterable[Job], max_concurrency: int) -> None:
        async def produce(jobs: MemoryObjectSendStream[Job], outcomes: MemoryObjectSendStream[Outcome]) -> None:
            async with jobs, outcomes:
                for job in every:
                    if self._stop.is_set():
                        return
                    await jobs.send(job)

        await self._work(produce, max_concurrency)

    async def _work(
        self,
        produce: Callable[[MemoryObjectSendStream[Job], MemoryObjectSendStream[Outcome]], Coroutine[Any, Any, None]],
        max_concurrency: int,
    ) -> None:
        """Fetch what ``produce`` sends, and write what comes of it."""
        to_fetch, wanted = anyio.create_memory_object_stream[Job](2 * max_concurrency)
        to_write, outcomes = anyio.create_memory_object_stream[Outcome](_LARGEST_BATCH)
        # A receiver outlives the tasks: closing it earlier would fail those that still send.
        async with outcomes, wanted, task_group() as group, to_write, to_fetch:
            group.start_soon(self._write, outcomes)
            for _ in range(max_concurrency):
                group.start_soon(self._fetch, wanted, to_write.clone())
            group.start_soon(produce, to_fetch.clone(), to_write.clone())

    async def _list(
        self, board: Board, jobs: MemoryObjectSendStream[Job], outcomes: MemoryObjectSendStream[Outcome]
    ) -> None:
        while not self._stop.is_set() and not self._satisfied:
            stretch = await board.take()
            if stretch is None:
                return
            await self._outages.keep_trying(partial(self._list_stretch, stretch, jobs, outcomes))
            board.done(stretch)

    async def _list_stretch(
        self, stretch: Stretch, jobs: MemoryObjectSendStream[Job], outcomes: MemoryObjectSendStream[Outcome]
    ) -> None:
        """Read what remains of a stretch."""
        async with aclosing(read_stretch(self._client, stretch, self._scope.agent_id)) as windows:
            async for window in windows:
                self._board.wake()
                await self._enqueue(window, jobs, outcomes)
                if self._stop.is_set() or self._satisfied:
                    return

    async def _enqueue(
        self,
        listed: ListedWindow,
        jobs: MemoryObjectSendStream[Job],
        outcomes: MemoryObjectSendStream[Outcome],
    ) -> None:
        window, summaries = listed.window, listed.summaries
        progress = Progress(window)
        if self._room is not None:
            if self._room < len(summaries):
                progress.window = None
                summaries = summaries[: self._room]
            self._room -= len(summaries)
        latest = latest_start(time.time())
        credible = (credible_start(summary.start_time_unix_secs, latest) for summary in summaries)
        starts = [start for start in credible if start is not None]
        if starts:
            self._newest = max(self._newest or 0, *starts)
            self.report.reached_unix_secs = min(self.report.reached_unix_secs or starts[0], *starts)
        unchanged = await run_sync(self._archive.unchanged, summaries)
        wanted = [Job(summary, progress) for summary in summaries if summary.conversation_id not in unchanged]
        if self._prune is not None and progress.window is not None:
            # Whatever is here and newer than the newest that is listed is absent, too.
            scope = Scope(Window(window.start, None) if listed.newest else window, self._scope.agent_id)
            absent = await run_sync(self._archive.absent, scope, {summary.conversation_id for summary in summaries})
            wanted += [Job(ConversationSummary(conversation_id=each), progress, "presence") for each in absent]
        self.report.to_list = round(self._board.expected())
        self._count(found=len(summaries), unchanged=len(unchanged))
        progress.left += len(wanted)
        for job in wanted:
            await jobs.send(job)
        await outcomes.send(Outcome(None, progress))

    async def _fetch(self, wanted: MemoryObjectReceiveStream[Job], to_write: MemoryObjectSendStream[Outcome]) -> None:
        async with to_write:
            async for job in wanted:
                if not self._stop.is_set():
                    finding = await self._outages.keep_trying(partial(self._find_out, job), partial(self._failed, job))
                    await to_write.send(Outcome(finding, job.progress))

    async def _find_out(self, job: Job) -> Finding | None:
        conversation_id = job.summary.conversation_id
        try:
            if job.kind == "audio":
                return await self._save_audio(conversation_id)
            response = await self._client.send_raw(calls.get_conversation(conversation_id))
        except (AuthenticationError, RateLimitError, TransportError):
            raise  # every other request would fail the same way; or it is a matter of waiting
        except ConvAIError as error:
            return self._failed(job, error)
        if job.kind == "presence":
            return None
        finding = decoded(job.summary, response.body)
        if isinstance(finding, Fetched) and finding.undecodable and not is_of(conversation_id, response.body):
            # No document of a newer shape, to be kept as it is, but something else in its place.
            problem = f"the reply is no conversation: {finding.row['decode_error']}"
            return Failure(conversation_id, problem, 1, summary=job.summary)
        return finding

    def _failed(self, job: Job, error: ConvAIError) -> Finding | None:
        if isinstance(error, NotFoundError) and (job.kind == "presence" or not job.listed):
            return Gone(job.summary.conversation_id)
        if job.kind == "presence":
            return None
        summary = job.summary if job.kind == "conversation" else None
        return Failure(job.summary.conversation_id, str(error), error.attempts, job.kind, summary)

    async def _save_audio(self, conversation_id: str) -> Recorded:
        destination = self._archive.path.parent / _recordings.FOLDER / _recordings.file_name(conversation_id)
        try:
            audio = await self._client.conversations.audio.download(conversation_id, destination, overwrite=True)
        except NotFoundError:
            return Recorded(conversation_id, None)
        return Recorded(conversation_id, audio)

    async def _write(self, outcomes: MemoryObjectReceiveStream[Outcome]) -> None:
        async for first in outcomes:
            batch = [first]
            with anyio.move_on_after(_LONGEST_WAIT), suppress(anyio.EndOfStream):
                while len(batch) < _LARGEST_BATCH:
                    batch.append(await outcomes.receive())
            findings = [outcome.finding for outcome in batch if outcome.finding is not None]
            windows = [window for outcome in batch if (window := completed(outcome.progress)) is not None]
            if findings or windows:
                store = partial(self._archive.store, agent_id=self._scope.agent_id, forget=self._prune == "remove")
                await run_sync(store, findings, windows)
            self._note(findings)

    def _note(self, findings: list[Finding]) -> None:
        fetched = [item for item in findings if isinstance(item, Fetched)]
        failures = [item for item in findings if isinstance(item, Failure)]
        recordings = [item.audio for item in findings if isinstance(item, Recorded) and item.audio is not None]
        self._looked_at |= {item.conversation_id for item in fetched if not item.final}
        self._looked_at |= {item.conversation_id for item in failures}
        self._count(
            fetched=len(fetched),
            failed=len(failures),
            deleted=sum(isinstance(item, Gone) for item in findings),
            undecodable=sum(item.undecodable for item in fetched),
            recordings=len(recordings),
            bytes=sum(item.size for item in fetched) + sum(audio.size for audio in recordings),
        )

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            setattr(self.report, name, getattr(self.report, name) + number)
        self.report.seconds = time.monotonic() - self._started
        self.report.concurrency = self._client.concurrency
        if self._progress is not None:
            self._progress(self.report)
