"""Runs a fake service in its own process, so that a test can measure the client alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from convai_async.testing import FakeConvAI

if TYPE_CHECKING:
    from collections.abc import Iterator


class ServiceProcess:
    """The address and the data of the service."""

    def __init__(self, url: str, twin: FakeConvAI) -> None:
        self.url = url
        self.api_key = twin.api_key
        self.conversations = twin.conversations
        """The same as in the process, because they are generated from the same seed."""


@contextmanager
def service_process(**settings: Any) -> Iterator[ServiceProcess]:
    """Run a fake service with these arguments of `FakeConvAI`, which must be JSON values."""
    command = [sys.executable, __file__, json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin:  # closing it ends the process
            yield ServiceProcess(process.stdout.readline().strip(), FakeConvAI(**settings))


async def serve(settings: dict[str, Any]) -> None:
    async with FakeConvAI(**settings) as fake:
        print(fake.url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            pass


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
