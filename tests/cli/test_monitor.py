"""Health checks and metrics of a long-running harvest."""

from __future__ import annotations

import sys

import aiohttp
import anyio
import pytest

from convai_async.cli._health import serve_health
from convai_async.cli._monitor import HarvestMonitor
from convai_async.harvest import HarvestReport, Workspace, WorkspaceReport

ACME = Workspace(name='ac"me', key="env:KEY", archive="a.db")


async def fetch(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_command_is_ready_from_the_first_harvest_until_it_stops() -> None:
    stop = anyio.Event()
    monitor = HarvestMonitor(stop)
    async with serve_health(monitor, "127.0.0.1", 0) as url:
        assert (await fetch(f"{url}/readyz"))[0] == 503
        monitor.update(WorkspaceReport(workspace=ACME, status="failed", error=OSError()))
        assert (await fetch(f"{url}/readyz"))[0] == 503
        with monitor.watch(ACME) as update:
            update(HarvestReport(fetched=1))
            assert monitor.summarize()["running"] == 1
        assert await fetch(f"{url}/readyz") == (
            200,
            '{"ready": true, "stopping": false, "rounds": 0, "workspaces": 1, "running": 0}',
        )
        assert "ac" not in (await fetch(f"{url}/readyz"))[1].replace("workspaces", ""), "no names"
        stop.set()
        assert (await fetch(f"{url}/readyz"))[0] == 503
        assert await fetch(f"{url}/healthz") == (200, "ok\n")


async def test_metrics_add_up_over_harvests_and_never_decrease() -> None:
    monitor = HarvestMonitor(anyio.Event(), clock=lambda: 1_000.0)
    async with serve_health(monitor, "::1", 0) as url:

        async def read(name: str) -> str:
            status, text = await fetch(f"{url}/metrics")
            assert status == 200
            return next(line for line in text.splitlines() if line.startswith(name)).split()[-1]

        counts = []
        for _ in range(2):
            with monitor.watch(ACME) as update:
                counts.append(await read("convai_fetched_total"))
                update(HarvestReport(fetched=3, failed=1))
                counts.append(await read('convai_fetched_total{workspace="ac\\"me"}'))
                assert await read("convai_running{") == "1.0"
            counts.append(await read("convai_fetched_total"))
        assert counts == ["0.0", "3.0", "3.0", "3.0", "6.0", "6.0"]
        assert await read("convai_failed") == "1.0"
        assert await read('convai_harvests_total{outcome="incomplete"') == "2.0"
        assert await read("convai_last_complete") == "0.0"
        with monitor.watch(ACME) as update:
            update(HarvestReport(list_complete=True))
        assert await read("convai_last_complete") == "1000.0"
        with pytest.raises(OSError, match="full"), monitor.watch(ACME):
            raise OSError("full")
        assert await read('convai_harvests_total{outcome="failed"') == "1.0"


async def test_metrics_without_the_extra_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "convai_async.cli._metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with serve_health(HarvestMonitor(anyio.Event()), "127.0.0.1", 0) as url:
        status, text = await fetch(f"{url}/metrics")
    assert (status, text) == (501, "metrics need an extra: pip install 'convai-async[metrics]'\n")
