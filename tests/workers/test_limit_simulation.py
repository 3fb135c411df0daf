"""Processes that divide the limit of their key, against a simulated service, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from simulated_processes import LATENCY, SimulatedProcess, SimulatedService
from virtual_time import in_virtual_time, now

from convai_async.workers._key_part import KeyPart
from convai_async.workers._limit_policy import KeyLimit, compute_renewal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUERY_SECS = 0.003
LEASE_SECS = 8.0
TURN_SECS = 10


class SimulatedTable:
    """The tables of the database; its notifications arrive unless it has none."""

    def __init__(self, *, notifies: bool = True) -> None:
        self.limit = KeyLimit(8.0, None, {})
        self.notifies = notifies
        self.keys: dict[str, KeyPart] = {}
        self.renewals = 0
        self.away: set[str] = set()
        """The processes that cannot reach the database."""

    @asynccontextmanager
    async def join(self, name: str, process: SimulatedProcess) -> AsyncIterator[None]:
        wake = asyncio.Event()
        key = self.keys[name] = KeyPart(process.limiter, wake.set)
        task = asyncio.create_task(self.keep(name, key, wake))
        try:
            yield
        finally:
            task.cancel()
            key.close()
            del self.keys[name]
            holders = {each: holder for each, holder in self.limit.holders.items() if each != name}
            self.limit = KeyLimit(self.limit.found, self.limit.prober, holders)
            self.notify(name)

    async def keep(self, name: str, key: KeyPart, wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            if key.due_at <= now():
                await self.renew(name, key)
            try:
                async with asyncio.timeout_at(key.due_at):
                    await wake.wait()
            except TimeoutError:
                pass

    async def renew(self, name: str, key: KeyPart) -> None:
        while name in self.away:
            await asyncio.sleep(1)
        started = now()
        await asyncio.sleep(QUERY_SECS)
        self.limit, grant = compute_renewal(self.limit, name, key.take_report(), int(now() / TURN_SECS))
        self.renewals += 1
        key.shrink(grant)
        if key.should_notify(grant):
            self.notify(name)
        await asyncio.sleep(QUERY_SECS)
        key.apply(grant, lease_end=started + LEASE_SECS)

    def notify(self, name: str) -> None:
        for other, key in self.keys.items():
            if other != name and self.notifies:
                asyncio.get_running_loop().call_later(QUERY_SECS, key.note_notification)


async def send_together(table: SimulatedTable, processes: list[SimulatedProcess], seconds: float) -> None:
    """Send bulk requests from each process."""

    async def send(number: int, process: SimulatedProcess) -> None:
        async with table.join(f"process {number}", process):
            await process.send_until(now() + seconds, tasks=64)

    await asyncio.gather(*(send(number, process) for number, process in enumerate(processes)))


@pytest.mark.parametrize(
    ("processes", "limit", "notifies", "refused"),
    [
        (1, 20, True, 0.01),
        (2, 20, True, 0.01),
        (2, 20, False, 0.01),
        (4, 20, True, 0.01),
        (4, 60, True, 0.01),
        (8, 5, True, 0.01),
        (4, 2, True, 0.03),  # the service answers only 20 requests a second here, and probes are as frequent
        (4, 2, False, 0.03),
    ],
)
@in_virtual_time
async def test_processes_with_one_key_use_the_whole_limit_with_few_rejections(
    processes: int, limit: int, notifies: bool, refused: float
) -> None:
    service, table = SimulatedService(limit, seed=limit), SimulatedTable(notifies=notifies)
    group = [SimulatedProcess(service) for _ in range(processes)]
    task = asyncio.create_task(send_together(table, group, 30))
    await asyncio.sleep(5 if notifies else 10)
    started, service.sent, service.rejected, table.renewals = now(), 0, 0, 0
    done = [len(process.durations) for process in group]
    await asyncio.sleep(20)
    seconds = now() - started
    assert service.rejected < refused * service.sent
    assert service.sent - service.rejected >= 0.9 * seconds * limit / LATENCY
    assert table.renewals <= 1.2 * seconds * processes
    if limit > processes:
        each = [len(process.durations) - before for process, before in zip(group, done, strict=True)]
        assert min(each) >= 0.8 * sum(each) / processes
    await task


@in_virtual_time
async def test_interactive_requests_of_one_process_come_before_bulk_requests_of_others() -> None:
    service, table = SimulatedService(20, seed=1), SimulatedTable()
    backend = SimulatedProcess(service, priority="interactive")
    harvests = [SimulatedProcess(service) for _ in range(2)]
    async with table.join("backend", backend), asyncio.TaskGroup() as group:
        group.create_task(backend.receive_until(60, 20))
        group.create_task(send_together(table, harvests, 60))
    assert backend.percentile(50) <= 1.5 * LATENCY
    assert backend.percentile(99) <= 7 * LATENCY  # without the division, 600 times
    assert sum(len(harvest.durations) for harvest in harvests) / 60 >= 0.5 * 20 / LATENCY
    assert service.rejected < 0.01 * service.sent


@in_virtual_time
async def test_process_that_joins_gets_its_part_within_a_second() -> None:
    service, table = SimulatedService(20, seed=2), SimulatedTable()
    first, second = SimulatedProcess(service), SimulatedProcess(service)
    async with asyncio.TaskGroup() as group:
        group.create_task(send_together(table, [first], 40))
        await asyncio.sleep(20)
        assert first.limiter.limit == pytest.approx(20, abs=1)
        service.rejected = 0
        async with table.join("second", second):
            task = group.create_task(second.send_until(30))
            await asyncio.sleep(1)
            assert first.limiter.limit == pytest.approx(10, abs=1)
            assert second.limiter.limit == pytest.approx(10, abs=1)
            await task
        assert service.rejected <= 10
        await asyncio.sleep(1)
        assert first.limiter.limit == pytest.approx(20, abs=1)


@pytest.mark.parametrize(("processes", "left"), [(1, 15), (2, 9)])
@in_virtual_time
async def test_process_without_others_leaves_a_quarter_to_those_that_do_not_share(processes: int, left: int) -> None:
    service, table = SimulatedService(20, seed=2), SimulatedTable()
    group = [SimulatedProcess(service) for _ in range(processes)]
    task = asyncio.create_task(send_together(table, group, 40))
    await asyncio.sleep(20)
    limiter = group[0].limiter
    slot = await limiter.acquire("bulk")
    limiter.on_rejected(slot)
    limiter.release(slot)
    await asyncio.sleep(0.3)
    assert limiter.limit == pytest.approx(left, abs=1)
    await asyncio.sleep(10)
    assert sum(process.limiter.limit for process in group) == pytest.approx(20, abs=1)
    await task


@pytest.mark.parametrize("limit", [8, 40])
@in_virtual_time
async def test_processes_follow_the_services_limit(limit: int) -> None:
    service, table = SimulatedService(20, seed=3), SimulatedTable()
    group = [SimulatedProcess(service) for _ in range(2)]
    task = asyncio.create_task(send_together(table, group, 60))
    await asyncio.sleep(20)
    service.limit = limit
    await asyncio.sleep(20)
    assert sum(process.limiter.limit for process in group) == pytest.approx(limit, abs=2)
    service.sent = service.rejected = 0
    await task
    assert service.rejected < 0.01 * service.sent


@in_virtual_time
async def test_limit_that_the_service_states_to_one_process_is_that_of_all() -> None:
    service, table = SimulatedService(20, seed=6), SimulatedTable()
    group = [SimulatedProcess(service) for _ in range(2)]
    task = asyncio.create_task(send_together(table, group, 40))
    await asyncio.sleep(30)
    service.limit = 12
    limiter = group[0].limiter
    slot = await limiter.acquire()
    limiter.on_rejected(slot, 12)
    limiter.release(slot)
    await asyncio.sleep(2)
    assert table.limit.found == pytest.approx(12, abs=1)
    assert [process.limiter.limit for process in group] == pytest.approx([6, 6], abs=1)
    await task


@in_virtual_time
async def test_processes_with_a_share_leave_the_rest_of_the_limit() -> None:
    service, table = SimulatedService(20, seed=4), SimulatedTable()
    group = [SimulatedProcess(service, share=0.5) for _ in range(2)]
    await send_together(table, group, 60)
    assert [len(process.durations) / 60 for process in group] == pytest.approx([50, 50], rel=0.15)
    assert service.rejected < 0.01 * service.sent


@in_virtual_time
async def test_half_of_the_part_is_used_after_a_lease_without_renewal(caplog: pytest.LogCaptureFixture) -> None:
    service, table = SimulatedService(20, seed=5), SimulatedTable()
    group = [SimulatedProcess(service) for _ in range(2)]
    task = asyncio.create_task(send_together(table, group, 60))
    await asyncio.sleep(10)
    table.away.add("process 0")
    await asyncio.sleep(5)
    assert (group[0].limiter.limit, caplog.messages) == (10, [])
    await asyncio.sleep(4)
    assert group[0].limiter.limit == 5
    assert [message[:38] for message in caplog.messages] == ["the limit of an API key was not shared"]
    table.away.clear()
    await asyncio.sleep(3)
    assert group[0].limiter.limit == pytest.approx(10, abs=1)
    await task
