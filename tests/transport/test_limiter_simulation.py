"""The limiter of several processes against a simulated service, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from simulated_processes import LATENCY, SimulatedProcess, SimulatedService
from virtual_time import VirtualTimeLoop, in_virtual_time, now


@pytest.mark.parametrize(
    ("limit", "share_of_ideal", "refused"), [(1, 0.98, 0.02), (5, 0.98, 0.005), (20, 0.97, 0.003), (60, 0.9, 0.004)]
)
@in_virtual_time
async def test_limiter_finds_the_services_limit_with_few_rejections(
    limit: int, share_of_ideal: float, refused: float
) -> None:
    service = SimulatedService(limit, seed=limit)
    await SimulatedProcess(service).send(3000)
    assert 3000 / now() >= share_of_ideal * limit / LATENCY
    assert service.rejected / service.sent <= refused


@pytest.mark.parametrize("seed", range(3))
def test_interactive_requests_stay_fast_beside_a_harvest_with_half_the_share(seed: int) -> None:
    seconds = 120.0

    async def backend_alone() -> float:
        backend = SimulatedProcess(SimulatedService(20, seed), priority="interactive")
        await backend.receive_until(seconds, 20)
        return backend.percentile(99)

    async def backend_beside_harvest() -> tuple[float, float]:
        service = SimulatedService(20, seed)
        backend = SimulatedProcess(service, priority="interactive")
        harvest = SimulatedProcess(service, share=0.5)
        async with asyncio.TaskGroup() as group:
            group.create_task(backend.receive_until(seconds, 20))
            group.create_task(harvest.send_until(seconds))
        return backend.percentile(99), len(harvest.durations) / seconds

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        alone = runner.run(backend_alone())
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        beside, harvested = runner.run(backend_beside_harvest())
    assert beside <= 3 * alone
    assert harvested >= 0.45 * 20 / LATENCY


@in_virtual_time
async def test_limit_recovers_within_seconds_after_another_process_ends() -> None:
    service = SimulatedService(20, seed=1)
    stays, leaves = SimulatedProcess(service), SimulatedProcess(service)
    async with asyncio.TaskGroup() as group:
        group.create_task(stays.send_until(100))
        group.create_task(leaves.send_until(60))
        await asyncio.sleep(60)
        assert stays.limiter.limit <= 15
        while stays.limiter.limit < 19:
            await asyncio.sleep(0.1)
        assert now() <= 60 + 11


@pytest.mark.parametrize("taken", [10, 19, 20])
@in_virtual_time
async def test_limit_recovers_within_three_seconds_when_the_interactive_queue_grows(taken: int) -> None:
    service = SimulatedService(20, seed=taken)
    backend = SimulatedProcess(service, priority="interactive")
    async with asyncio.TaskGroup() as group:
        group.create_task(backend.receive_until(40, 150))
        await asyncio.sleep(10)
        service.active += taken
        await asyncio.sleep(20)
        service.active -= taken
        await asyncio.sleep(3)
        assert backend.limiter.limit >= 12


@in_virtual_time
async def test_limit_of_a_share_yields_within_a_second_of_rejections_and_recovers() -> None:
    service = SimulatedService(20, seed=2)
    harvest = SimulatedProcess(service, share=0.5)
    async with asyncio.TaskGroup() as group:
        group.create_task(harvest.send_until(60))
        await asyncio.sleep(20)
        assert harvest.limiter.limit == 10
        service.active += 15
        await asyncio.sleep(1)
        assert harvest.limiter.limit <= 8
        await asyncio.sleep(2)
        assert harvest.limiter.limit <= 6
        service.active -= 15
        await asyncio.sleep(8)
        assert harvest.limiter.limit == 10


@pytest.mark.parametrize(("share", "expected"), [(1.0, 8), (0.5, 4)])
@in_virtual_time
async def test_limit_follows_the_services_limit_down(share: float, expected: int) -> None:
    service = SimulatedService(20, seed=4)
    process = SimulatedProcess(service, share)
    async with asyncio.TaskGroup() as group:
        group.create_task(process.send_until(240))
        await asyncio.sleep(30)
        service.limit = 8
        await asyncio.sleep(150)
        assert process.limiter.limit == pytest.approx(expected, abs=1)
        service.sent = service.rejected = 0
    assert service.rejected / service.sent < 0.01


@in_virtual_time
async def test_two_harvests_use_the_whole_limit_together() -> None:
    service = SimulatedService(20, seed=3)
    harvests = [SimulatedProcess(service), SimulatedProcess(service)]
    async with asyncio.TaskGroup() as group:
        for harvest in harvests:
            group.create_task(harvest.send_until(60))
    done = [len(harvest.durations) for harvest in harvests]
    assert sum(done) / 60 >= 0.9 * 20 / LATENCY
    assert min(done) >= 0.3 * sum(done)
    assert service.rejected / service.sent < 0.02
