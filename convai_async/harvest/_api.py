"""Harvest a service into an archive: check the arguments, open the archive, and run a `Harvester`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

import anyio

from convai_async import endpoints
from convai_async._support.tasks import run_shielded_in_thread
from convai_async._support.validate import validate_choice, validate_integer, validate_share
from convai_async.archive._lookups import Scope
from convai_async.archive._windows import BEGINNING, Window, parse_start_bound
from convai_async.archive._writer import ArchiveWriter
from convai_async.client import get_engine
from convai_async.errors import InvalidArgumentError
from convai_async.harvest._harvester import Harvester
from convai_async.harvest._workspace import confirm_workspace

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable
    from datetime import date, datetime

    from convai_async.client import ConvAIClient
    from convai_async.harvest._report import HarvestReport

_DEFAULT_CONCURRENCY = 128
_DEFAULT_LOOKBACK = timedelta(days=3)
_DEFAULT_PRUNE_LIMIT = 0.1


async def harvest(  # noqa: PLR0913 - a harvest has many settings, each by its name
    client: ConvAIClient,
    path: str | os.PathLike[str],
    *,
    agent_id: str | None = None,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
    lookback: timedelta = _DEFAULT_LOOKBACK,
    audio: bool = False,
    prune: Literal["mark", "remove"] | None = None,
    prune_limit: float = _DEFAULT_PRUNE_LIMIT,
    max_concurrency: int = _DEFAULT_CONCURRENCY,
    limit: int | None = None,
    source: str | None = None,
    same_workspace: bool = False,
    progress: Callable[[HarvestReport], None] | None = None,
    stop: anyio.Event | None = None,
) -> HarvestReport:
    """Read conversations into the archive at ``path``; run it again to bring the archive up to date.

    It fetches conversations that are new, that were not final (done or failed), that failed before, and those within
    the ``lookback`` whose line in the list has changed. One that cannot be fetched is recorded, and does not stop the
    others; so is a part of the list that cannot be read. Cancelling, or killing the process, is safe: what was written
    stays, and the next run resumes. When the service cannot be reached, or gateways answer in its place (502, 503,
    504), the harvest waits for up to 15 minutes, and reports this in ``progress`` and as a WARNING of the logger
    ``convai_async``.

    Args:
        client: The client to send requests with. Its limits and retry policy apply, and its other requests go first.
        path: The archive's file; created if it does not exist.
        agent_id: Only conversations with this agent.
        since: Only conversations that started then or later: a datetime with a time zone, or a date (UTC).
        until: Only conversations that started before: a datetime with a time zone, or a date (UTC).
        lookback: How much of the list that has been read before is read again, back from the newest
            conversation; 3 days by default.
        audio: Whether to save recordings too, as ``audio/<id>.mp3`` beside the archive.
        prune: What to do with conversations that the service has deleted, within the part of the list that is read:
            ``"mark"`` sets ``deleted_unix_secs``, ``"remove"`` removes them and their recordings; None (default) keeps
            them. Each is requested first, and only those that the service itself answers with 404 are pruned, not those
            for which a proxy does. Those that an earlier run marked stay marked, also with ``"remove"``.
        prune_limit: The largest share of the archive's conversations that one run may prune, 0 to 1; 0.1 by default.
            Ten conversations may always be pruned, unless it is 0. When there are more, none is pruned, and the
            report has their number (``not_pruned``): the key may belong to another workspace.
        max_concurrency: The most conversations to fetch at the same time, 128 by default.
        limit: The most conversations to look at, newest first; None (default) means all.
        source: The origin to record in the archive; the client's ``base_url`` by default.
        same_workspace: Whether to accept a different API key than the one that filled the archive: pass True once
            after the key was replaced. An archive is bound to its first key; one that was filled without a key (by
            webhooks, an import or an older version) is bound when the service has one of its ten newest
            conversations.
        progress: Called in the event loop with the report whenever its counts have changed.
        stop: Set it to end early: requests in flight still have 30 s to finish, and their results are written.

    Returns:
        The counts of the run.

    Raises:
        InvalidArgumentError: A time has no zone, ``since`` is not before ``until``, or a value has the wrong
            type or is out of range.
        ArchiveBusyError: Another harvest writes to the archive.
        ArchiveError: The archive cannot be written, is of another workspace, was moved, removed or restored from a
            backup meanwhile, or the file is something else.
        AuthenticationError: The service does not accept the key: everything would fail.
        PermissionDeniedError: The key may not read the list.
        APIStatusError: The service refused the first request, for example for an invalid parameter; or gateways
            answered in its place for 15 minutes.
        ConnectionFailedError: The first request could not connect for 10 s.
        TransportError: The service could not be reached for 15 minutes.
        OSError: A recording cannot be written.
    """
    validate_integer("max_concurrency", max_concurrency, 1)
    if limit is not None:
        validate_integer("limit", limit, 1)
    validate_choice("prune", prune, ("mark", "remove", None))
    validate_share("prune_limit", prune_limit)
    if lookback < timedelta(0):
        raise InvalidArgumentError("lookback", f"must not be negative, got {lookback}")
    window = Window(parse_start_bound("since", since) or BEGINNING, parse_start_bound("until", until))
    if window.is_empty:
        raise InvalidArgumentError("since", f"{since} is not before until, {until}: nothing lies between")
    if agent_id is not None:
        endpoints.list_conversations(agent_id=agent_id)  # refuses an invalid id before there is a file
    open_archive = partial(
        ArchiveWriter,
        path,
        source or client.base_url,
        key_fingerprint=client.key_fingerprint,
        same_workspace=same_workspace,
    )
    async with _opened(open_archive) as archive:
        await confirm_workspace(client, archive, same_workspace=same_workspace)
        harvester = Harvester(
            get_engine(client).with_options(priority="bulk"),
            archive,
            Scope(window, agent_id or ""),
            limit=limit,
            prune=prune,
            prune_limit=prune_limit,
            max_concurrency=max_concurrency,
            progress=progress,
            stop=stop or anyio.Event(),
        )
        return await harvester.harvest(lookback, audio=audio)


@asynccontextmanager
async def _opened(open_archive: Callable[[], ArchiveWriter]) -> AsyncIterator[ArchiveWriter]:
    opened: list[ArchiveWriter] = []
    try:
        await run_shielded_in_thread(lambda: opened.append(open_archive()))
        yield opened[0]
    finally:
        for archive in opened:
            await run_shielded_in_thread(archive.close)
