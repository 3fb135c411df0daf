"""Many workspaces in one event loop: isolated from each other, within one bound, and each in its turn."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from archive_file import ids_in

from convai_async import AuthenticationError, ConvAIClient, RetryPolicy
from convai_async._support.workspace_name import workspace_name
from convai_async.archive import Archive, ArchiveError
from convai_async.client import get_engine
from convai_async.errors import BadRequestError, ConfigurationError, ConnectionFailedError, InvalidArgumentError
from convai_async.harvest import (
    Workspace,
    WorkspaceReport,
    _many,
    _outages,
    harvest_many,
    open_workspace_client,
)
from convai_async.testing import FakeConvAI, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiohttp import web

    from convai_async.testing.faults import Proceed

    Start = Callable[..., Any]

AT_ONCE = RetryPolicy(wait_initial=0, wait_max=0)


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts the service of a workspace, whose archive is in the folder of the test."""
    async with AsyncExitStack() as stack:

        async def start_service(name: str, seed: int, **settings: Any) -> tuple[FakeConvAI, Workspace]:
            fake = await stack.enter_async_context(FakeConvAI(seed=seed, api_key=f"key-of-{name}", **settings))
            monkeypatch.setenv(f"KEY_{name}", fake.api_key)
            workspace = Workspace(
                name=name, key=f"env:KEY_{name}", archive=str(tmp_path / f"{name}.db"), base_url=fake.url
            )
            return fake, workspace

        yield start_service


async def test_two_workspaces_are_harvested_into_their_archives(start: Start) -> None:
    (acme, first), (beta, second) = await start("acme", 1, conversations=30), await start("beta", 2, conversations=5)
    seen: list[str] = []
    reports = await harvest_many(
        [first, second], progress=lambda report: seen.append(f"{report.workspace.name} {report.status}")
    )
    assert [(report.workspace, report.status, report.complete) for report in reports] == [
        (first, "done", True),
        (second, "done", True),
    ]
    assert [report.harvest.fetched for report in reports] == [30, 5]
    assert {"acme running", "acme done", "beta running", "beta done"} <= set(seen)
    assert sorted(ids_in(first.archive)) == sorted(acme.conversations)
    assert sorted(ids_in(second.archive)) == sorted(beta.conversations)


async def test_conversations_are_in_their_own_archive_only_whatever_fails(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_outages, "_LONGEST_FIRST_SECS", 0)
    names = ["fine", "revoked", "unreachable", "keyless", "folder", "foreign", "forbidden", "rejected", "buggy", "last"]
    started = {name: await start(name, seed, conversations=12) for seed, name in enumerate(names)}
    services = {name: fake for name, (fake, _) in started.items()}
    workspaces = {name: workspace for name, (_, workspace) in started.items()}
    monkeypatch.setenv("KEY_revoked", services["fine"].api_key)  # a key of another workspace
    await services["unreachable"].close()
    monkeypatch.delenv("KEY_keyless")
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "foreign.db").write_text("not an archive" * 100)
    services["forbidden"].faults.add(
        faults.status(403), path=next(iter(services["forbidden"].conversations)), times=None
    )
    services["rejected"].faults.add(faults.status(400), operation="list_conversations", times=None)

    @asynccontextmanager
    async def open_client(workspace: Workspace) -> AsyncIterator[ConvAIClient]:
        if workspace.name == "buggy":
            raise RuntimeError("a bug")
        async with open_workspace_client(workspace, timeout=5) as client:
            yield client.with_options(retry=AT_ONCE)

    reports = {
        report.workspace.name: report
        for report in await harvest_many(workspaces.values(), at_once=3, open_client=open_client)
    }
    errors = {name: type(report.error) for name, report in reports.items() if report.error is not None}
    assert errors == {
        "revoked": AuthenticationError,
        "unreachable": ConnectionFailedError,
        "keyless": ConfigurationError,
        "folder": ArchiveError,
        "foreign": ArchiveError,
        "rejected": BadRequestError,
        "buggy": RuntimeError,
    }
    assert {name for name, report in reports.items() if report.complete} == {"fine", "last"}
    assert {name for name, report in reports.items() if report.status == "done"} == {"fine", "last", "forbidden"}
    held = {name: ids_in(path) for name in names if (path := tmp_path / f"{name}.db").is_file() and name != "foreign"}
    for name, ids in held.items():
        assert set(ids) <= set(services[name].conversations)
    assert {name: len(ids) for name, ids in held.items() if ids} == {"fine": 12, "forbidden": 11, "last": 12}
    assert max(Counter(conversation_id for ids in held.values() for conversation_id in ids).values()) == 1
    assert (tmp_path / "foreign.db").read_text() == "not an archive" * 100


async def test_requests_of_all_workspaces_stay_within_the_bound(start: Start) -> None:
    in_flight, peak = 0, 0

    async def count(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        nonlocal in_flight, peak
        in_flight += 1
        peak = max(peak, in_flight)
        try:
            await asyncio.sleep(0.01)
            return await proceed()
        finally:
            in_flight -= 1

    workspaces = []
    for seed in range(5):
        fake, workspace = await start(f"w{seed}", seed, conversations=20)
        fake.faults.add(count, times=None)
        workspaces.append(workspace)
    reports = await harvest_many(workspaces, max_concurrency=6, at_once=4)
    assert all(report.complete for report in reports)
    assert 1 < peak <= 6
    peak = 0
    reports = await harvest_many(workspaces, max_concurrency=2, at_once=4)
    assert all(report.complete for report in reports)
    assert peak <= 2


async def test_last_workspace_gets_the_whole_bound(start: Start) -> None:
    limits: dict[str, int] = {}
    (_, small), (_, large) = await start("small", 1, conversations=1), await start("large", 2, conversations=400)
    await harvest_many(
        [small, large],
        max_concurrency=16,
        progress=lambda report: limits.update({report.workspace.name: report.harvest.concurrency}),
    )
    assert limits == {"small": 8, "large": 16}


async def test_workspaces_with_one_key_share_a_limiter(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, _ = await start("acme", 1, conversations=30)
    limiters = []

    @asynccontextmanager
    async def open_client(workspace: Workspace) -> AsyncIterator[ConvAIClient]:
        async with open_workspace_client(workspace) as client:
            yield client
            limiters.append(get_engine(client).limiter)

    def build(name: str, *agents: str, share: float = 1.0) -> Workspace:
        monkeypatch.setenv(f"KEY_{name}", fake.api_key)
        archive, key = str(tmp_path / f"{name}.db"), f"env:KEY_{name}"
        return Workspace(name=name, key=key, archive=archive, base_url=fake.url, agents=agents, share=share)

    ids = list(fake.conversations)
    agents = list({fake.conversations.details(each)["agent_id"] for each in ids})
    by_agent = Counter(fake.conversations.details(each)["agent_id"] for each in ids)
    parts = [build("first", agents[0]), build("rest", *agents[1:]), build("other", share=0.5)]
    first, rest, other = await harvest_many(parts, at_once=1, open_client=open_client)
    assert (first.complete, first.harvest.fetched) == (True, by_agent[agents[0]])
    assert (rest.complete, rest.harvest.fetched, rest.harvest.found) == (True, *[30 - by_agent[agents[0]]] * 2)
    assert len(limiters) == 2
    assert limiters[0] is limiters[1]
    assert str(other.error) == "share: workspace 'first' has the same key: set the same share for both"


async def test_large_workspace_waits_until_the_others_had_their_turn(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_many, "_TURN_SECS", 0.05)
    large, first = await start("large", 1, conversations=300, latency=0.01)
    _, second = await start("small", 2, conversations=3)
    deleted = next(iter(large.conversations))  # the newest, which is listed in each turn
    with Archive.open(first.archive, create=True, source=large.url) as archive:
        archive.delete([deleted])
    ended: list[str] = []
    turns: list[str] = []

    def note(report: WorkspaceReport) -> None:
        if report.status == "done":
            ended.append(report.workspace.name)
        if report.status == "waiting":
            turns.append(report.workspace.name)

    reports = await harvest_many([first, second], at_once=1, max_concurrency=4, progress=note)
    assert ended == ["small", "large"]
    assert turns[:1] == ["large"]
    assert all(report.complete for report in reports)
    assert (reports[0].harvest.fetched, reports[0].harvest.skipped) == (299, 1)
    assert sorted(ids_in(first.archive)) == sorted(set(large.conversations) - {deleted})
    assert len(large.requests("get_conversation")) == 299, "nothing is fetched twice"


async def test_stop_ends_all_harvests_and_the_next_one_completes_them(start: Start) -> None:
    workspaces = [(await start(f"w{seed}", seed, conversations=100, latency=0.01))[1] for seed in range(3)]
    stop = anyio.Event()

    def stop_early(report: WorkspaceReport) -> None:
        if report.harvest.fetched:
            stop.set()

    reports = await harvest_many(workspaces, at_once=2, max_concurrency=4, progress=stop_early, stop=stop)
    assert [report.status for report in reports] == ["done", "done", "waiting"]
    assert not any(report.complete for report in reports)
    assert reports[0].harvest.interrupted
    assert all(report.complete for report in await harvest_many(workspaces))


async def test_invalid_arguments_are_refused() -> None:
    workspace = Workspace(name="acme", key="env:KEY", archive="acme.db")
    with pytest.raises(InvalidArgumentError):
        await harvest_many([workspace], max_concurrency=0)
    with pytest.raises(InvalidArgumentError):
        await harvest_many([workspace], at_once=0)
    with pytest.raises(ConfigurationError, match="two workspaces have this name"):
        await harvest_many([workspace, workspace])
    assert await harvest_many([]) == []


async def test_log_records_know_their_workspace(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    names: list[str] = []
    _, acme = await start("acme", 1, conversations=1)
    _, beta = await start("beta", 2, conversations=1)

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            names.append(workspace_name.get())

    logger = logging.getLogger("convai_async")
    handler = Noting()
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG, "convai_async"):
            await harvest_many([acme, beta])
    finally:
        logger.removeHandler(handler)
    assert set(names) == {"acme", "beta"}
    assert workspace_name.get() == ""
