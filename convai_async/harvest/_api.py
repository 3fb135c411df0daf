"""Check the arguments of a harvest, open the archive, and run a `Harvester`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

import anyio
from anyio.to_thread import run_sync

from convai_async import endpoints
from convai_async._support.tasks import run_shielded_in_thread
from convai_async._support.validate import validate_choice, validate_integer, validate_share
from convai_async.archive._lookups import Scope
from convai_async.archive._recordings._storage import open_storage
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

    from convai_async.archive import ArchivePath, PostgresUrl
    from convai_async.client import ConvAIClient
    from convai_async.harvest._report import HarvestReport

_DEFAULT_CONCURRENCY = 128
_DEFAULT_LOOKBACK = timedelta(days=3)
_DEFAULT_PRUNE_LIMIT = 0.1


async def harvest(  # noqa: PLR0913 - a harvest has many settings, each by its name
    client: ConvAIClient,
    path: ArchivePath | PostgresUrl,
    *,
    agent_id: str | None = None,
    since: date | datetime | None = None,
    until: date | datetime | None = None,
    lookback: timedelta = _DEFAULT_LOOKBACK,
    audio: bool = False,
    recordings: str | os.PathLike[str] | None = None,
    prune: Literal["mark", "remove"] | None = None,
    prune_limit: float = _DEFAULT_PRUNE_LIMIT,
    max_concurrency: int = _DEFAULT_CONCURRENCY,
    limit: int | None = None,
    source: str | None = None,
    same_workspace: bool = False,
    progress: Callable[[HarvestReport], None] | None = None,
    stop: anyio.Event | None = None,
) -> HarvestReport:
    """Fetch conversations into an archive. Run it again to bring the archive up to date.

    A run fetches conversations that are new, that were not final (done or failed), that failed before, and, within the
    ``lookback``, those whose entry in the list has changed. If a conversation or a part of the list cannot be read, the
    failure is recorded, and the others are fetched. Cancelling the harvest or killing the process is safe: what was
    written stays, and the next run resumes.

    If the service cannot be reached, or a gateway responds in its place (502, 503, 504), the harvest waits for up to 15
    minutes. It reports this in ``progress`` and as a WARNING of the logger ``convai_async``.

    Args:
        client: The client that sends the requests. Its limits and retry policy apply, and its interactive requests take
            precedence.
        path: The file of the archive, or the URL of a PostgreSQL database; created if it does not exist.
        agent_id: Only conversations with this agent.
        since: Only conversations that started at this time or later: a datetime with a time zone, or a date (UTC).
        until: Only conversations that started before this time: a datetime with a time zone, or a date (UTC).
        lookback: The part of the list to read again, back from the newest conversation in the archive; 3 days by
            default.
        audio: Whether to save recordings as well; False by default.
        recordings: Where to save them, as ``<id>.mp3``: a folder, or ``s3://bucket/prefix``, ``gs://…`` or ``az://…``,
            which need the extra ``cloud`` and credentials in the environment. By default the folder ``audio`` beside
            the archive. Recordings that were saved elsewhere before stay there.
        prune: What to do with conversations that were deleted at the service, within the part of the list that is read:
            ``"mark"`` sets ``deleted_unix_secs``, ``"remove"`` removes them and their recordings, and None (default)
            keeps them. A conversation is pruned only if the service itself, and not a proxy, responds to a request for
            it with 404. Conversations that an earlier run marked stay marked, also with ``"remove"``. Only a harvest
            stores removed ones again, if the service has them again.
        prune_limit: The maximum share of the archive's conversations to prune in a run, 0 to 1; 0.1 by default. Up to
            ten conversations are always pruned, unless the limit is 0. If there are more than the limit allows, none is
            pruned, and ``not_pruned`` of the report is their number: the key may belong to another workspace.
        max_concurrency: The maximum number of conversations to fetch at the same time, 128 by default.
        limit: The maximum number of conversations to look at, newest first; None (default) for all.
        source: The address of the service to record in the archive; the client's ``base_url`` by default.
        same_workspace: Whether to accept another API key than the one that filled the archive. Pass True once after the
            key was replaced; False by default. An archive is bound to its first key. An archive that was filled without
            a key (by webhooks, an import or an older version) is bound when the service has one of its ten newest
            conversations.
        progress: A function that is called in the event loop with the report whenever its counts have changed.
        stop: An event that ends the harvest early when it is set. Requests in flight have 30 seconds to finish, and
            their results are written. No other request is sent: the next run fetches the rest.

    Returns:
        The counts of the run.

    Raises:
        InvalidArgumentError: A time has no zone, ``since`` is not before ``until``, or a value has the wrong type or is
            out of range.
        ArchiveBusyError: Another harvest, import or deletion is writing to the archive.
        ArchiveError: The file is not an archive, belongs to another workspace, cannot be written, or was moved, removed
            or restored from a backup during the harvest.
        AuthenticationError: The service rejected the API key.
        PermissionDeniedError: The API key does not have permission to list conversations.
        APIStatusError: The service rejected the first request, for example because of an invalid parameter, or gateways
            responded in its place for 15 minutes.
        ConnectionFailedError: The first request could not connect for 10 seconds.
        TransportError: The service could not be reached for 15 minutes.
        ConfigurationError: The extra ``cloud`` is not installed.
        StorageError: The object store does not take recordings.
        OSError: A recording cannot be written.
    """
    validate_integer("max_concurrency", max_concurrency, 1)
    if limit is not None:
        validate_integer("limit", limit, 1)
    validate_choice("prune", prune, ("mark", "remove", None))
    validate_share("prune_limit", prune_limit)
    if not isinstance(lookback, timedelta):
        raise InvalidArgumentError("lookback", f"must be a timedelta, such as timedelta(days=3), got {lookback!r}")
    if lookback < timedelta(0):
        raise InvalidArgumentError("lookback", f"must not be negative, got {lookback}")
    window = Window(parse_start_bound("since", since) or BEGINNING, parse_start_bound("until", until))
    if window.is_empty:
        raise InvalidArgumentError("since", f"{since} must be earlier than until, {until}")
    if agent_id is not None:
        endpoints.list_conversations(agent_id=agent_id)  # rejects an invalid id before the file is created
    if recordings is not None:
        await run_sync(open_storage, recordings, None)  # raises errors before the archive is created
    open_archive = partial(
        ArchiveWriter,
        path,
        source or client.base_url,
        hash_api_key=client.hash_api_key,
        same_workspace=same_workspace,
    )
    async with _opened(open_archive) as archive:
        storage = await run_sync(open_storage, recordings, archive.file) if audio else None
        await confirm_workspace(client, archive, same_workspace=same_workspace)
        harvester = Harvester(
            get_engine(client).with_options(priority="bulk"),
            archive,
            Scope(window, agent_id or ""),
            storage,
            limit=limit,
            prune=prune,
            prune_limit=prune_limit,
            max_concurrency=max_concurrency,
            progress=progress,
            stop=stop or anyio.Event(),
        )
        return await harvester.harvest(lookback)


@asynccontextmanager
async def _opened(open_archive: Callable[[], ArchiveWriter]) -> AsyncIterator[ArchiveWriter]:
    opened: list[ArchiveWriter] = []
    try:
        await run_shielded_in_thread(lambda: opened.append(open_archive()))
        yield opened[0]
    finally:
        for archive in opened:
            await run_shielded_in_thread(archive.close)
