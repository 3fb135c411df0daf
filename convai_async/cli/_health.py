"""Serve health checks and metrics over HTTP: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from convai_async.cli._monitor import HarvestMonitor


@asynccontextmanager
async def serve_health(monitor: HarvestMonitor, host: str, port: int) -> AsyncIterator[str]:
    """Serve until the block ends, and yield the address.

    Args:
        monitor: The state to serve.
        host: The address to listen on.
        port: The port; 0 for a free one.

    Raises:
        OSError: The port is in use, or the address does not exist.
    """

    async def check_health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def check_readiness(_: web.Request) -> web.Response:
        facts = monitor.summarize()
        return web.json_response(facts, status=200 if facts["ready"] else 503)

    async def get_metrics(_: web.Request) -> web.Response:
        try:
            from convai_async.cli._metrics import CONTENT_TYPE, render_metrics  # noqa: PLC0415 - needs an extra
        except ModuleNotFoundError:
            return web.Response(status=501, text="metrics need an extra: pip install 'convai-async[metrics]'\n")
        return web.Response(body=render_metrics(monitor), headers={"content-type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes(
        [
            web.get("/healthz", check_health),
            web.get("/readyz", check_readiness),
            web.get("/metrics", get_metrics),
        ]
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound_host, bound_port = runner.addresses[0][:2]
        yield f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
    finally:
        await runner.cleanup()
