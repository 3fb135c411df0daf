"""Runs a fake service in its own process, so that a test can measure the client alone."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from unmeasured import unmeasured

from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convai_async.testing.faults import Fault, Proceed


class ServiceProcess:
    """The address and the data of the service."""

    def __init__(self, url: str, twin: FakeConvAI) -> None:
        self.url = url
        self.api_key = twin.api_key
        self.conversations = twin.conversations
        """The same as in the process, because they are generated from the same seed."""


@contextmanager
def service_process(*, render_once: bool = False, **settings: Any) -> Iterator[ServiceProcess]:
    """Run a fake service with these arguments of `FakeConvAI`, which must be JSON values.

    Args:
        render_once: Whether to send the same bytes again when a request is repeated, which takes half the time.
        **settings: The arguments of `FakeConvAI`.
    """
    command = [sys.executable, __file__, json.dumps(render_once), json.dumps(settings)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=unmeasured(), **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin:  # closing it ends the process
            yield ServiceProcess(process.stdout.readline().strip(), FakeConvAI(**settings))


def replay() -> Fault:
    """Return a fault that answers a request for JSON which came before with the same bytes."""
    rendered: dict[str, tuple[int, dict[str, str], bytes]] = {}

    async def answer(request: web.Request, proceed: Proceed) -> web.StreamResponse:
        if request.path_qs not in rendered:
            reply = await proceed()
            if reply.content_type != "application/json":
                return reply  # a recording
            assert isinstance(reply, web.Response)
            assert isinstance(reply.body, bytes)
            headers = {**reply.headers, "content-encoding": "gzip"}
            rendered[request.path_qs] = (reply.status, headers, gzip.compress(reply.body))
        status, headers, body = rendered[request.path_qs]
        return web.Response(status=status, headers=headers, body=body)

    return answer


async def serve(*, render_once: bool, settings: dict[str, Any]) -> None:
    async with FakeConvAI(**settings) as fake:
        if render_once:
            fake.faults.add(replay(), times=None)
        print(fake.url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            pass


if __name__ == "__main__":
    asyncio.run(serve(render_once=json.loads(sys.argv[1]), settings=json.loads(sys.argv[2])))
