"""A worker in this process: how its harvests end, and what is queued then."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from procrastinate import App, PsycopgConnector
from worker_database import count_stored, list_jobs, query

from convai_async.archive import Archive
from convai_async.errors import TransportError
from convai_async.harvest import Workspace, WorkspaceReport, open_workspace_client
from convai_async.testing import faults
from convai_async.workers import (
    ScheduledWorkspace,
    add_workspaces,
    change_workspace,
    create_app,
    create_blueprint,
    defer_harvest,
    prepare_database,
    read_status,
    remove_workspace,
    run_worker,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from postgres import PostgresServer

    from convai_async import ConvAIClient
    from convai_async.testing import FakeConvAI

pytest_plugins = ["worker_fixtures"]

RUNS = "SELECT outcome, found, fetched, failed, error FROM convai.harvests ORDER BY id"


async def queue_harvest(url: str, **options: int) -> None:
    query(url, "UPDATE convai.workspaces SET scheduled_until = now()")
    app = create_app(url)
    async with app.open_async():
        assert await defer_harvest(app, "acme", **options)


async def work_until_done(url: str, **options: Any) -> list[WorkspaceReport]:
    """Run a worker until a harvest has ended, and return the reports at each change of status."""
    stop, reports = anyio.Event(), list[WorkspaceReport]()

    def note(report: WorkspaceReport) -> None:
        reports.append(report)
        if report.status in {"done", "failed"}:
            stop.set()

    await run_worker(url, progress=note, stop=stop, **options)
    return reports


@pytest.fixture
async def queued(acme: ScheduledWorkspace, postgres_url: str) -> str:
    """The URL of a database with a harvest of the workspace in the queue."""
    await queue_harvest(postgres_url)
    return postgres_url


async def test_worker_harvests_into_the_database_and_notes_it(queued: str, service: FakeConvAI) -> None:
    connections: list[bool] = []
    [*_, report] = await work_until_done(queued, connected=connections.append)
    assert report.workspace.name == "acme"
    assert report.harvest.fetched == 40
    assert count_stored(queued) == (40, 40)
    assert query(queued, RUNS) == [("complete", 40, 40, 0, None)]
    assert list_jobs(queued) == []
    assert query(queued, "SELECT count(*) FROM convai_keys.key_limits") == [1]  # divided with other workers
    assert query(queued, "SELECT count(*) FROM convai_keys.key_limit_holders") == [0]
    assert connections[0]
    status = await read_status(queued)
    assert (status.queued, status.delayed, status.running, status.workers) == (0, 0, 0, 0)
    [acme] = status.workspaces
    assert (acme.name, acme.state, acme.outcome, acme.error, acme.fetched) == ("acme", "idle", "complete", None, 40)
    assert acme.behind_secs is not None
    assert acme.worker is not None
    assert acme.complete_at == acme.started_at
    assert acme.next_at is not None


async def test_worker_finds_new_workspaces_without_help(acme: ScheduledWorkspace, postgres_url: str) -> None:
    await prepare_database(postgres_url)
    await work_until_done(postgres_url)
    assert query(postgres_url, RUNS) == [("complete", 40, 40, 0, None)]


async def test_archive_can_be_a_file_and_agents_are_harvested_one_after_the_other(
    queued: str, service: FakeConvAI, tmp_path: Any
) -> None:
    archive, agents = (
        tmp_path / "calls.db",
        sorted({service.conversations.details(each)["agent_id"] for each in service.conversations}),
    )
    await change_workspace(queued, "acme", archive=str(archive), agents=tuple(agents))
    await work_until_done(queued)
    with Archive.open(archive) as opened:
        assert opened.status().conversations == 40
    assert count_stored(queued) == (0, 0)


async def test_rejected_key_is_noted_and_not_tried_again(
    queued: str, service: FakeConvAI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ACME_KEY", "revoked")
    await work_until_done(queued)
    [(outcome, _, _, _, error)] = query(queued, RUNS)
    assert outcome == "failed"
    assert "401" in error
    assert list_jobs(queued) == []
    assert "harvest failed: " in caplog.text
    [acme] = (await read_status(queued)).workspaces
    assert (acme.state, acme.outcome, acme.error, acme.behind_secs) == ("failed", "failed", error, None)


@asynccontextmanager
async def open_unreachable(_: Workspace) -> AsyncIterator[ConvAIClient]:
    raise TransportError("nobody answers")
    yield


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 5), (2, 45), (9, 900)])
async def test_failure_that_may_pass_is_tried_again_after_growing_waits(
    acme: ScheduledWorkspace, postgres_url: str, attempt: int, seconds: int
) -> None:
    await queue_harvest(postgres_url, attempt=attempt)
    await work_until_done(postgres_url, open_client=open_unreachable)
    assert query(postgres_url, RUNS) == [("failed", 0, 0, 0, "nobody answers")]
    [(arguments, status, delay)] = list_jobs(postgres_url)
    assert (arguments, status) == ({"name": "acme", "attempt": attempt + 1}, "todo")
    assert 0 <= seconds - delay < 5
    status_now = await read_status(postgres_url)
    assert (status_now.delayed, status_now.workspaces[0].state) == (1, "delayed")
    queued = "SELECT scheduled_at FROM convai_queue.procrastinate_jobs WHERE queue_name = 'convai'"
    assert query(postgres_url, queued) == [status_now.workspaces[0].next_at]


async def test_busy_archive_is_tried_again_and_not_noted_as_a_failure(queued: str) -> None:
    await work_until_done(queued)
    query(queued, "DELETE FROM convai.harvests")
    await queue_harvest(queued, attempt=9)
    with Archive.open(f"{queued}?workspace=acme") as archive, archive.lock():
        await work_until_done(queued)
    assert query(queued, RUNS) == []
    [(_, _, delay)] = list_jobs(queued)
    assert 55 < delay <= 60


async def test_harvest_that_was_taken_over_ends_and_is_not_tried_again(
    acme: ScheduledWorkspace, postgres_url: str, service: FakeConvAI
) -> None:
    await queue_harvest(postgres_url)

    stop = anyio.Event()

    def note(report: WorkspaceReport) -> None:
        if report.harvest.found:
            query(postgres_url, "UPDATE convai.leases SET number = number + 1")
        if report.status == "failed":
            stop.set()

    await run_worker(postgres_url, progress=note, stop=stop)
    [(outcome, *_, error)] = query(postgres_url, RUNS)
    assert outcome == "failed"
    assert "another process has taken over" in error
    assert list_jobs(postgres_url) == []


async def test_unexpected_error_is_noted_with_its_traceback(queued: str, caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def open_client(_: Workspace) -> AsyncIterator[ConvAIClient]:
        raise RuntimeError("a bug")
        yield

    await work_until_done(queued, open_client=open_client)
    assert query(queued, RUNS) == [("failed", 0, 0, 0, "a bug")]
    assert "the harvest failed unexpectedly" in caplog.text
    assert "Traceback" in caplog.text
    assert list_jobs(queued) == []


@pytest.mark.parametrize("action", ["pause", "remove"])
async def test_workspace_that_is_paused_or_removed_is_not_harvested(
    queued: str, caplog: pytest.LogCaptureFixture, action: str
) -> None:
    if action == "pause":
        await change_workspace(queued, "acme", paused=True)
        assert (await read_status(queued)).workspaces[0].state == "queued"
    else:
        await remove_workspace(queued, "acme")
    app = create_app(queued)
    app.add_tasks_from(create_blueprint(queued), namespace="convai")
    with caplog.at_level("INFO", "convai_async.workers"):
        async with app.open_async():
            await app.run_worker_async(queues=["convai"], wait=False, install_signal_handlers=False)
    assert f"not harvested: the workspace {'is paused' if action == 'pause' else 'was removed'}" in caplog.text
    assert query(queued, RUNS) == []
    if action == "pause":
        assert [(each.state, each.next_at) for each in (await read_status(queued)).workspaces] == [("paused", None)]


async def test_harvest_of_a_worker_that_stops_is_continued_by_another(queued: str, service: FakeConvAI) -> None:
    stop = anyio.Event()

    def note(report: WorkspaceReport) -> None:
        if report.harvest.found:
            stop.set()

    service.faults.add(faults.latency(0.02), operation="get_conversation", times=None)
    await run_worker(queued, progress=note, stop=stop, max_concurrency=2)
    [(outcome, _, fetched, _, error)] = query(queued, RUNS)
    assert (outcome, error) == ("stopped", None)
    assert fetched < 40
    assert list_jobs(queued) == [({"name": "acme", "attempt": 0}, "todo", 0)]
    await work_until_done(queued)
    assert count_stored(queued) == (40, 40)
    assert len(service.requests("get_conversation")) == 40, "nothing was fetched twice"


# The worker is stopped while it starts: psycopg leaves a connection open that is cancelled as it opens.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_worker_sends_heartbeats_until_its_harvests_have_ended(
    queued: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "procrastinate")
    heartbeats = "SELECT id FROM convai_queue.procrastinate_workers WHERE last_heartbeat > now() - interval '1 minute'"
    stop, release = anyio.Event(), anyio.Event()

    @asynccontextmanager
    async def open_client(workspace: Workspace) -> AsyncIterator[ConvAIClient]:
        stop.set()
        await release.wait()
        async with open_workspace_client(workspace) as client:
            yield client

    worker = asyncio.create_task(run_worker(queued, open_client=open_client, stop=stop, stalled_secs=1))
    while "Waiting for job to finish" not in caplog.text:  # procrastinate has ended its own heartbeats
        await asyncio.sleep(0.05)
    set_back = "UPDATE convai_queue.procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
    await asyncio.to_thread(query, queued, set_back)  # can wait for a transaction of the event loop
    while not query(queued, heartbeats):
        await asyncio.sleep(0.05)
    release.set()
    await worker


async def test_harvest_that_is_cancelled_is_queued_again(queued: str, service: FakeConvAI) -> None:
    started = anyio.Event()

    @asynccontextmanager
    async def open_client(workspace: Workspace) -> AsyncIterator[ConvAIClient]:
        started.set()
        await anyio.Event().wait()
        async with open_workspace_client(workspace) as client:
            yield client

    app = create_app(queued)
    app.add_tasks_from(create_blueprint(queued, open_client=open_client), namespace="convai")
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(queues=["convai"], shutdown_graceful_timeout=0, install_signal_handlers=False)
        )
        await started.wait()
        worker.cancel()
        await asyncio.wait({worker})
    assert ({"name": "acme", "attempt": 0}, "todo", 0) in list_jobs(queued)


async def test_tasks_work_in_an_application_of_the_user(acme: ScheduledWorkspace, postgres_url: str) -> None:
    app = App(connector=PsycopgConnector(conninfo=postgres_url))
    app.add_tasks_from(create_blueprint(postgres_url), namespace="convai")
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.configure_task("convai:schedule").defer_async(timestamp=0)
        await app.run_worker_async(wait=False, install_signal_handlers=False)
    assert query(postgres_url, RUNS) == [("complete", 40, 40, 0, None)]
    assert list_jobs(postgres_url) == [], "its queue is its own"


async def test_job_whose_end_cannot_be_noted_is_logged(queued: str, caplog: pytest.LogCaptureFixture) -> None:
    def note(report: WorkspaceReport) -> None:
        if report.status == "done":
            query(queued, "DELETE FROM convai_queue.procrastinate_jobs WHERE queue_name = 'convai'")

    app = create_app(queued)
    app.add_tasks_from(create_blueprint(queued, progress=note), namespace="convai")
    async with app.open_async():
        await app.run_worker_async(queues=["convai"], wait=False, install_signal_handlers=False)
    assert "convai:harvest_workspace[" in caplog.text
    assert "could not be noted; another worker may have continued it: Job was not found" in caplog.text


async def test_earlier_harvest_without_an_end_is_noted_as_lost(queued: str) -> None:
    query(
        queued,
        "INSERT INTO convai.harvests (workspace, worker) VALUES ('acme', 'killed:1'), ('beta', 'busy:1')",
    )
    await work_until_done(queued)
    assert query(
        queued, "SELECT worker, outcome FROM convai.harvests WHERE worker IN ('killed:1', 'busy:1') ORDER BY id"
    ) == [
        ("killed:1", "lost"),
        ("busy:1", None),
    ]


async def test_first_large_harvest_is_followed_by_statistics_for_queries(
    queued: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyzed = "SELECT last_analyze FROM pg_stat_user_tables WHERE relname IN ('conversations', 'turns')"
    monkeypatch.setattr("convai_async.workers._harvest_job._LARGE_HARVEST", 41)
    await work_until_done(queued)
    assert query(queued, analyzed) == [None, None]
    monkeypatch.setattr("convai_async.workers._harvest_job._LARGE_HARVEST", 0)
    await queue_harvest(queued)
    await work_until_done(queued)
    first = query(queued, analyzed)
    assert None not in first
    await queue_harvest(queued)
    await work_until_done(queued)
    assert query(queued, analyzed) == first, "once"


async def test_end_of_a_harvest_is_noted_when_the_database_is_back(
    service: FakeConvAI, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    url, stop = postgres_server.url, anyio.Event()
    await add_workspaces(url, [ScheduledWorkspace(name="acme", key="env:ACME_KEY", base_url=service.url)])

    def note(report: WorkspaceReport) -> None:
        if report.status == "done" and "waiting for the database" not in caplog.text:
            postgres_server.stop("immediate")

    worker = asyncio.create_task(run_worker(url, progress=note, stop=stop))
    while "waiting for the database" not in caplog.text:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(postgres_server.start)
    while not query(url, "SELECT id FROM convai.harvests WHERE outcome = 'complete'"):
        await asyncio.sleep(0.25)
    stop.set()
    await worker


async def test_errors_of_a_worker_without_a_database_are_retrieved(
    postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convai_async.workers._worker._POOL_SECS", 0.5)
    for name in ("procrastinate", "convai_async.workers"):
        caplog.set_level("CRITICAL", name)  # records would keep the errors
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
    url, stop, connected = postgres_server.url, anyio.Event(), anyio.Event()

    def note(is_connected: bool) -> None:
        (connected if is_connected else stop).set()

    worker = asyncio.create_task(run_worker(url, connected=note, stop=stop))
    await connected.wait()
    while len(query(url, "SELECT id FROM convai_queue.procrastinate_workers")) < 2:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(postgres_server.stop, "immediate")
    await worker
    del worker
    gc.collect()
    assert problems == []
